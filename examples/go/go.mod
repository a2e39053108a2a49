module keyward.example/resource-server

go 1.19

require keyward.example/verifier v0.0.0

require github.com/golang-jwt/jwt/v5 v5.2.2 // indirect

replace keyward.example/verifier => ../../contrib/verifier/go
