module keyward.example/interop

go 1.16

require github.com/golang-jwt/jwt/v4 v4.5.2
