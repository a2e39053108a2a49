package verifier

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// defaultMaxAge is how long the keys are fresh if the response does not say so.
	defaultMaxAge = 5 * time.Minute
	// longestMaxAge is the longest that the keys are taken to be fresh.
	longestMaxAge = 24 * time.Hour
	// maxBody is the longest response that is read, in bytes.
	maxBody = 1 << 20
)

// keys are those of the issuer, fetched when they are needed.
type keys struct {
	url     string
	options *Options
	fetches flight[struct{}, struct{}]

	mutex        sync.Mutex
	byKID        map[string]publicKey
	freshUntil   time.Time
	attemptEnded time.Time
	failed       bool
}

// publicKey is a key and the one algorithm that it is used with.
type publicKey struct {
	algorithm string
	key       interface{}
}

func newKeys(url string, options *Options) *keys {
	return &keys{url: url, options: options}
}

// key returns the key for the header of a JWT. Keys that are no longer fresh, or a kid that is unknown, lead to a
// request, if the last one is long enough ago. If the issuer does not answer, the old keys stay in use.
func (k *keys) key(ctx context.Context, kid, algorithm string) (interface{}, error) {
	now := time.Now()
	k.mutex.Lock()
	_, known := k.byKID[kid]
	fetch := now.Sub(k.attemptEnded) >= k.options.MinRefreshInterval && !(known && now.Before(k.freshUntil))
	failed := k.failed
	k.mutex.Unlock()
	if fetch {
		fetching := k.fetches.start(struct{}{}, k.fetch)
		// If the issuer did not answer last time, nobody waits for the next attempt.
		if !(known && failed) {
			if _, ok := fetching.wait(ctx); !ok {
				return nil, ErrUnavailable
			}
		}
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	key, known := k.byKID[kid]
	switch {
	case !known && k.failed:
		return nil, ErrUnavailable
	case !known || key.algorithm != algorithm:
		// A key is used with its own algorithm, never with one that only the token names.
		return nil, ErrInvalidToken
	}
	return key.key, nil
}

func (k *keys) fetch() struct{} {
	byKID, maxAge, err := k.request()
	if err != nil {
		k.options.OnError(fmt.Errorf("cannot fetch the keys of the issuer: %w", err))
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.attemptEnded, k.failed = time.Now(), err != nil
	if err == nil {
		k.byKID, k.freshUntil = byKID, k.attemptEnded.Add(maxAge)
	}
	return struct{}{}
}

func (k *keys) request() (map[string]publicKey, time.Duration, error) {
	response, err := k.options.HTTPClient.Get(k.url)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("%s: status %s", k.url, response.Status)
	}
	var document struct {
		// Each key is parsed on its own, so that one of an unknown type does not hide the others.
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(&document); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", k.url, err)
	}
	byKID := map[string]publicKey{}
	for _, text := range document.Keys {
		if kid, key, ok := parseKey(text); ok {
			byKID[kid] = key
		}
	}
	return byKID, maxAge(response.Header.Get("Cache-Control"), response.Header.Get("Age")), nil
}

type jwk struct {
	Kty, Crv, Alg, Use, Kid, N, E, X, Y string
}

// parseKey parses a JWK for signatures by an algorithm that this package knows.
func parseKey(text []byte) (string, publicKey, bool) {
	var key jwk
	if json.Unmarshal(text, &key) != nil || key.Kid == "" || (key.Use != "" && key.Use != "sig") {
		return "", publicKey{}, false
	}
	n, e, x, y := decode(key.N), decode(key.E), decode(key.X), decode(key.Y)
	parsed := publicKey{algorithm: key.Alg}
	switch {
	case key.Kty == "RSA" && len(e) <= 4 && isOneOf(&parsed.algorithm, "RS256", "PS256"):
		parsed.key = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	case key.Kty == "EC" && key.Crv == "P-256" && isOneOf(&parsed.algorithm, "ES256"):
		public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		if !public.Curve.IsOnCurve(public.X, public.Y) {
			return "", publicKey{}, false
		}
		parsed.key = public
	case key.Kty == "OKP" && key.Crv == "Ed25519" && len(x) == ed25519.PublicKeySize &&
		isOneOf(&parsed.algorithm, "EdDSA", "Ed25519"):
		// The other name of the same algorithm (RFC 9864).
		parsed.algorithm, parsed.key = "EdDSA", ed25519.PublicKey(x)
	default:
		return "", publicKey{}, false
	}
	return key.Kid, parsed, true
}

// isOneOf says whether the algorithm is one of these. Without one, it becomes the first.
func isOneOf(algorithm *string, allowed ...string) bool {
	if *algorithm == "" {
		*algorithm = allowed[0]
	}
	for _, name := range allowed {
		if *algorithm == name {
			return true
		}
	}
	return false
}

// decode returns nothing for what is not Base64url.
func decode(text string) []byte {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return decoded
}

// maxAge returns how long a response is fresh (RFC 9111 section 4.2), from Cache-Control and Age.
func maxAge(cacheControl, age string) time.Duration {
	result := defaultMaxAge
	for _, directive := range strings.Split(cacheControl, ",") {
		name, value, _ := strings.Cut(directive, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			result = seconds(strings.Trim(strings.TrimSpace(value), `"`)) - seconds(age)
		}
	}
	switch {
	case result < 0:
		return 0
	case result > longestMaxAge:
		return longestMaxAge
	}
	return result
}

// seconds returns 0 for what is not a number of seconds.
func seconds(text string) time.Duration {
	number, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(number) * time.Second
}
