// Gets an access token and prints it. The client secret is in CLIENT_SECRET.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	secret := os.Getenv("CLIENT_SECRET")
	if secret == "" {
		log.Fatal("CLIENT_SECRET is not set")
	}

	form := url.Values{
		"grant_type": {"client_credentials"},
		"scope":      {"{{scope}}"},
		"resource":   {"{{resource}}"},
	}
	request, err := http.NewRequest(http.MethodPost, "{{token_endpoint}}", strings.NewReader(form.Encode()))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("{{client_id}}", secret)

	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()

	var answer struct {
		AccessToken      string `json:"access_token"`
		Error            string `json:"error"`
		ErrorDescription string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatalf("%s: %v", response.Status, err)
	}
	if response.StatusCode != http.StatusOK {
		log.Fatalf("%s: %s", answer.Error, answer.ErrorDescription)
	}
	fmt.Println(answer.AccessToken)

	// Send it with each request in the header: Authorization: Bearer TOKEN
	// The resource server that accepts it: {{audience}}
}
