// A resource server: GET /orders is for callers whose access token or API key has the scope orders:read.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const scope = "orders:read"

var (
	// errInvalidToken means that the caller presented no valid credential: 401. Any other error means
	// that the credential could not be checked: 503.
	errInvalidToken = errors.New("invalid token")

	httpClient = &http.Client{Timeout: 5 * time.Second}
)

// claims are those of RFC 9068 that this server uses, and the members of the same names in RFC 7662.
type claims struct {
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	jwt.RegisteredClaims
}

type server struct {
	issuer, audience       string
	clientID, clientSecret string
	// introspectJWTs enables introspection of JWTs too, so that a revoked one is refused at once.
	introspectJWTs bool
	keys           keyfunc.Keyfunc
}

func main() {
	issuer := requiredEnv("ISSUER")
	keys, err := fetchKeys(issuer + "/.well-known/jwks.json")
	if err != nil {
		log.Fatal(err)
	}
	s := &server{
		issuer:         issuer,
		audience:       requiredEnv("AUDIENCE"),
		clientID:       requiredEnv("CLIENT_ID"),
		clientSecret:   requiredEnv("CLIENT_SECRET"),
		introspectJWTs: os.Getenv("INTROSPECT_JWTS") == "true",
		keys:           keys,
	}

	http.HandleFunc("/orders", s.protect(scope, func(w http.ResponseWriter, r *http.Request, caller *claims) {
		writeJSON(w, http.StatusOK, map[string]any{"client_id": caller.ClientID, "orders": []string{}})
	}))

	port := os.Getenv("PORT")
	if port == "" {
		port = "9000"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	httpServer := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(httpServer.Serve(listener))
}

// fetchKeys fetches the published keys, then again every five minutes and for an unknown kid, but for the
// latter at most once in five seconds. A kid that is still unknown then is refused with 401, also where the keys
// could not be fetched.
func fetchKeys(jwksURL string) (keyfunc.Keyfunc, error) {
	keys, err := keyfunc.NewDefaultOverrideCtx(context.Background(), []string{jwksURL}, keyfunc.Override{
		Client:            httpClient,
		RefreshInterval:   5 * time.Minute,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(5*time.Second), 1),
		RateLimitWaitMax:  100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	// If the library cannot fetch the keys, it starts without any and would refuse every token.
	fetched, err := keys.Storage().KeyReadAll(context.Background())
	if err == nil && len(fetched) == 0 {
		err = fmt.Errorf("no keys at %s", jwksURL)
	}
	return keys, err
}

// protect calls the handler only for callers that have the scope (RFC 6750 section 3).
func (s *server) protect(scope string, handler func(http.ResponseWriter, *http.Request, *claims)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		authorization := r.Header.Get("Authorization")
		if authorization == "" {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "unauthorized"})
			return
		}
		caller, err := s.authenticate(r.Context(), authorization)
		switch {
		case errors.Is(err, errInvalidToken):
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		case err != nil:
			log.Print(err)
			w.Header().Set("Retry-After", "1")
			writeJSON(w, http.StatusServiceUnavailable, map[string]any{"error": "temporarily_unavailable"})
		case !slices.Contains(strings.Fields(caller.Scope), scope):
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="insufficient_scope", scope=%q`, scope))
			writeJSON(w, http.StatusForbidden, map[string]any{"error": "insufficient_scope"})
		default:
			handler(w, r, caller)
		}
	}
}

// authenticate verifies JWTs offline and introspects everything else.
func (s *server) authenticate(ctx context.Context, authorization string) (*claims, error) {
	token, err := credential(authorization)
	if err != nil {
		return nil, err
	}
	if strings.Count(token, ".") != 2 {
		return s.introspect(ctx, token)
	}
	caller, err := s.verify(token)
	if err == nil && s.introspectJWTs {
		return s.introspect(ctx, token)
	}
	return caller, err
}

// credential returns the token of a Bearer header, or the API key of a Basic header: base64 of KEY or of KEY and
// a colon.
func credential(authorization string) (string, error) {
	scheme, value, _ := strings.Cut(authorization, " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer":
		if value != "" {
			return value, nil
		}
	case "basic":
		decoded, err := base64.StdEncoding.DecodeString(value)
		key, password, _ := strings.Cut(string(decoded), ":")
		if err == nil && key != "" && password == "" {
			return key, nil
		}
	}
	return "", errInvalidToken
}

// verify checks a JWT access token as RFC 9068 section 4 says.
func (s *server) verify(token string) (*claims, error) {
	caller := &claims{}
	parsed, err := jwt.ParseWithClaims(token, caller, s.keys.Keyfunc,
		jwt.WithValidMethods([]string{"RS256"}),
		jwt.WithIssuer(s.issuer),
		jwt.WithAudience(s.audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(5*time.Second),
	)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errInvalidToken, err)
	}
	// An ID token or a logout token has the same issuer and keys, and another type.
	if parsed.Header["typ"] != "at+jwt" {
		return nil, fmt.Errorf("%w: not an access token", errInvalidToken)
	}
	return caller, nil
}

// introspect checks a token or an API key (RFC 7662). Keyward describes a token only to a resource
// server in its audience.
func (s *server) introspect(ctx context.Context, token string) (*claims, error) {
	form := url.Values{"token": {token}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.issuer+"/oauth/introspect", strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(s.clientID), url.QueryEscape(s.clientSecret))
	response, err := httpClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("introspection: %s", response.Status)
	}
	var answer struct {
		Active   bool   `json:"active"`
		ClientID string `json:"client_id"`
		Scope    string `json:"scope"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	if !answer.Active {
		return nil, errInvalidToken
	}
	return &claims{ClientID: answer.ClientID, Scope: answer.Scope}, nil
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Print(err)
	}
}

func requiredEnv(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("set %s", name)
	}
	return value
}
