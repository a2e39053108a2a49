module keyward.example/interop/mutual_tls

go 1.18

require golang.org/x/oauth2 v0.24.0
