// Package verifier protects handlers of net/http. It verifies JWT access tokens (RFC 9068) offline and API keys by
// introspection (RFC 7662), and answers requests without a valid credential as RFC 6750 says.
package verifier

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxCredential is the longest credential that is looked at, in bytes.
const maxCredential = 8192

// tokenSyntax is b64token of RFC 6750 section 2.1.
var tokenSyntax = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

// Options are those of a Verifier. Only Issuer and Audience are required.
type Options struct {
	// Issuer is the issuer, exactly as in iss.
	Issuer string
	// Audience is the identifier of this resource server, which aud must contain.
	Audience string
	// ClientID and ClientSecret are the credentials of the resource server, for introspection. Without them, API
	// keys are refused.
	ClientID, ClientSecret string
	// IntrospectJWTs enables introspection of JWTs too, so that a revoked one is refused as soon as its cached
	// answer expires.
	IntrospectJWTs bool
	// Algorithms are the accepted signature algorithms: by default RS256, PS256, ES256 and EdDSA.
	Algorithms []string
	// Leeway is the accepted difference between the clocks: by default 5 seconds.
	Leeway time.Duration
	// MinRefreshInterval is the shortest time between two requests for the keys: by default 5 seconds.
	MinRefreshInterval time.Duration
	// CacheSize is the number of introspection answers that are cached: by default 10,000.
	CacheSize int
	// ActiveTTL and InactiveTTL are how long an answer is cached: by default 10 seconds. A negative value caches
	// nothing.
	ActiveTTL, InactiveTTL time.Duration
	// ResourceMetadata is the URL of the protected resource metadata (RFC 9728), which each challenge then has.
	ResourceMetadata string
	// HTTPClient sends the requests to the issuer: by default one with a timeout of 5 seconds.
	HTTPClient *http.Client
	// OnError gets the errors of requests to the issuer: by default they are logged.
	OnError func(error)
}

// Caller is an authenticated caller.
type Caller struct {
	// ClientID is the client that the credential was issued to.
	ClientID string
	// Subject is sub: the client itself, or the user that it acts for.
	Subject string
	// Kind is "access_token" or "api_key".
	Kind string
	// Claims are those of the JWT (RFC 9068), or the members of the introspection response.
	Claims map[string]interface{}
}

// HasScope says whether the credential has this scope value.
func (c *Caller) HasScope(value string) bool {
	scope, _ := c.Claims["scope"].(string)
	for _, granted := range strings.Split(scope, " ") {
		if granted == value {
			return true
		}
	}
	return false
}

var (
	// ErrMissingCredential means that the request has no Authorization header.
	ErrMissingCredential = errors.New("unauthorized")
	// ErrInvalidToken means that the credential is malformed, expired, revoked or not for this resource server.
	ErrInvalidToken = errors.New("invalid_token")
	// ErrInsufficientScope means that the credential is valid and lacks a scope value.
	ErrInsufficientScope = errors.New("insufficient_scope")
	// ErrUnavailable means that the issuer could not be reached, so nothing is known about the credential.
	ErrUnavailable = errors.New("temporarily_unavailable")
)

// Verifier authenticates the callers of one resource server. It is safe for concurrent use.
type Verifier struct {
	options       Options
	parser        *jwt.Parser
	keys          *keys
	introspection *introspection
}

// New makes a verifier. Nothing is fetched until the first request.
func New(options Options) (*Verifier, error) {
	if options.Issuer == "" || options.Audience == "" {
		return nil, errors.New("verifier: Issuer and Audience are required")
	}
	hasCredentials := options.ClientID != "" && options.ClientSecret != ""
	if options.IntrospectJWTs && !hasCredentials {
		return nil, errors.New("verifier: IntrospectJWTs needs ClientID and ClientSecret")
	}
	setDefaults(&options)
	base := strings.TrimRight(options.Issuer, "/")
	v := &Verifier{
		options: options,
		parser: jwt.NewParser(
			jwt.WithValidMethods(options.Algorithms),
			jwt.WithIssuer(options.Issuer),
			jwt.WithAudience(options.Audience),
			jwt.WithExpirationRequired(),
			jwt.WithLeeway(options.Leeway),
		),
		keys: newKeys(base+"/.well-known/jwks.json", &options),
	}
	if hasCredentials {
		v.introspection = newIntrospection(base+"/oauth/introspect", &options)
	}
	return v, nil
}

func setDefaults(options *Options) {
	if len(options.Algorithms) == 0 {
		options.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	}
	for _, duration := range []*time.Duration{
		&options.Leeway, &options.MinRefreshInterval,
	} {
		if *duration == 0 {
			*duration = 5 * time.Second
		}
	}
	for _, duration := range []*time.Duration{&options.ActiveTTL, &options.InactiveTTL} {
		if *duration == 0 {
			*duration = 10 * time.Second
		}
	}
	if options.CacheSize == 0 {
		options.CacheSize = 10_000
	}
	if options.HTTPClient == nil {
		options.HTTPClient = &http.Client{
			Timeout: 5 * time.Second,
			// The issuer does not redirect, and the credentials are for it alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if options.OnError == nil {
		options.OnError = func(err error) { log.Print(err) }
	}
}

type contextKey struct{}

// FromContext returns the caller of a request that Require let through.
func FromContext(ctx context.Context) (*Caller, bool) {
	caller, ok := ctx.Value(contextKey{}).(*Caller)
	return caller, ok
}

// Require returns a middleware for callers that have all of these scope values, separated by spaces. With an empty
// scope, any valid credential is enough.
func (v *Verifier) Require(scope string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, err := v.Authorize(r.Context(), r.Header.Get("Authorization"), scope)
			if err != nil {
				v.respond(w, err, scope)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, caller)))
		})
	}
}

// Authorize returns the caller that an Authorization header authenticates. The error is one of those of this package.
func (v *Verifier) Authorize(ctx context.Context, authorization, scope string) (*Caller, error) {
	if authorization == "" {
		return nil, ErrMissingCredential
	}
	token, ok := credential(authorization)
	if !ok {
		return nil, ErrInvalidToken
	}
	caller, err := v.authenticate(ctx, token)
	if err != nil {
		return nil, err
	}
	if _, bound := caller.Claims["cnf"]; bound {
		// Accepting it as a bearer token would ignore the protection (RFC 9449 section 7.2, RFC 8705 section 3).
		return nil, ErrInvalidToken
	}
	for _, value := range strings.Fields(scope) {
		if !caller.HasScope(value) {
			return nil, ErrInsufficientScope
		}
	}
	return caller, nil
}

func (v *Verifier) authenticate(ctx context.Context, token string) (*Caller, error) {
	// An API key has no period.
	if strings.Count(token, ".") != 2 {
		if v.introspection == nil {
			return nil, ErrInvalidToken
		}
		return v.introspection.introspect(ctx, token)
	}
	caller, err := v.verify(ctx, token)
	if err == nil && v.options.IntrospectJWTs {
		return v.introspection.introspect(ctx, token)
	}
	return caller, err
}

// verify checks a JWT access token offline (RFC 9068 section 4).
func (v *Verifier) verify(ctx context.Context, token string) (*Caller, error) {
	claims := jwt.MapClaims{}
	_, err := v.parser.ParseWithClaims(token, claims, func(parsed *jwt.Token) (interface{}, error) {
		// An ID token or a logout token has the same issuer and keys, and another type.
		typ, _ := parsed.Header["typ"].(string)
		if typ = strings.ToLower(typ); typ != "at+jwt" && typ != "application/at+jwt" {
			return nil, ErrInvalidToken
		}
		// No extension is known that crit could name (RFC 7515 section 4.1.11).
		if _, critical := parsed.Header["crit"]; critical {
			return nil, ErrInvalidToken
		}
		kid, _ := parsed.Header["kid"].(string)
		return v.keys.key(ctx, kid, parsed.Method.Alg())
	})
	if errors.Is(err, ErrUnavailable) {
		return nil, ErrUnavailable
	}
	caller := newCaller(claims)
	if err != nil || caller == nil {
		return nil, ErrInvalidToken
	}
	return caller, nil
}

// newCaller returns nil if there is no client_id.
func newCaller(claims map[string]interface{}) *Caller {
	clientID, _ := claims["client_id"].(string)
	if clientID == "" {
		return nil
	}
	subject, _ := claims["sub"].(string)
	kind := "access_token"
	if claims["token_type"] == "api_key" {
		kind = "api_key"
	}
	return &Caller{ClientID: clientID, Subject: subject, Kind: kind, Claims: claims}
}

// credential returns the token of a Bearer header, or the API key of a Basic header: Base64 of KEY or of KEY and a
// colon.
func credential(authorization string) (string, bool) {
	scheme, value, _ := strings.Cut(authorization, " ")
	token := strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer":
	case "basic":
		decoded, err := base64.StdEncoding.DecodeString(token)
		key, password, _ := strings.Cut(string(decoded), ":")
		if err != nil || password != "" {
			return "", false
		}
		token = key
	default:
		return "", false
	}
	return token, len(token) <= maxCredential && tokenSyntax.MatchString(token)
}

// respond refuses a request (RFC 6750 section 3, RFC 9728 section 5.1).
func (v *Verifier) respond(w http.ResponseWriter, err error, scope string) {
	status := http.StatusUnauthorized
	var parameters []string
	switch err {
	case ErrMissingCredential:
		// A request without a credential gets no error code (RFC 6750 section 3.1).
	case ErrInsufficientScope:
		status = http.StatusForbidden
		parameters = []string{`error="insufficient_scope"`, fmt.Sprintf("scope=%q", scope)}
	case ErrInvalidToken:
		parameters = []string{`error="invalid_token"`}
	default:
		err, status = ErrUnavailable, http.StatusServiceUnavailable
	}
	if v.options.ResourceMetadata != "" {
		parameters = append(parameters, fmt.Sprintf("resource_metadata=%q", v.options.ResourceMetadata))
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	} else {
		w.Header().Set("WWW-Authenticate", strings.TrimSpace("Bearer "+strings.Join(parameters, ", ")))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := fmt.Fprintf(w, `{"error":%q}`, err); err != nil {
		v.options.OnError(err)
	}
}

// basicAuthorization is HTTP Basic authentication with a form-encoded id and secret (RFC 6749 section 2.3.1).
func basicAuthorization(request *http.Request, clientID, clientSecret string) {
	request.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(clientSecret))
}
