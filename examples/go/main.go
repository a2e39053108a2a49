// A resource server: GET /orders is for callers whose access token or API key has the scope orders:read.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"keyward.example/verifier"
)

func main() {
	v, err := verifier.New(verifier.Options{
		Issuer:             required("ISSUER"),
		Audience:           required("AUDIENCE"),
		ClientID:           required("CLIENT_ID"),
		ClientSecret:       required("CLIENT_SECRET"),
		IntrospectJWTs:     os.Getenv("INTROSPECT_JWTS") == "true",
		ActiveTTL:          seconds("CACHE_SECONDS"),
		InactiveTTL:        seconds("CACHE_SECONDS"),
		MinRefreshInterval: seconds("REFRESH_SECONDS"),
		ResourceMetadata:   os.Getenv("RESOURCE_METADATA"),
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/orders", v.Require("orders:read")(http.HandlerFunc(orders)))

	port := os.Getenv("PORT")
	if port == "" {
		port = "9000"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

func orders(w http.ResponseWriter, r *http.Request) {
	caller, _ := verifier.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	body := map[string]interface{}{"client_id": caller.ClientID, "orders": []string{}}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Print(err)
	}
}

// seconds returns 0, for the default, if the variable is not set.
func seconds(name string) time.Duration {
	number, _ := strconv.Atoi(os.Getenv(name))
	return time.Duration(number) * time.Second
}

func required(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("set %s", name)
	}
	return value
}
