package verifier

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"context"
)

func TestCacheControlSaysHowLongTheKeysAreFresh(t *testing.T) {
	for _, c := range []struct {
		cacheControl, age string
		seconds           int
	}{
		{"", "", 300},
		{"public, max-age=60", "", 60},
		{"public, Max-Age=60", "20", 40},
		{"max-age=60", "90", 0},
		{"max-age=x", "", 0},
		{"no-cache, max-age=60", "", 0},
		{"public", "", 300},
		{"max-age=999999999", "", 86_400},
	} {
		if got := maxAge(c.cacheControl, c.age); got != time.Duration(c.seconds)*time.Second {
			t.Errorf("%q, %q: %s", c.cacheControl, c.age, got)
		}
	}
}

func TestAKeyHasOneAlgorithm(t *testing.T) {
	x := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for text, algorithm := range map[string]string{
		`{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "` + x + `"}`:                   "EdDSA",
		`{"kty": "OKP", "crv": "Ed25519", "kid": "a", "alg": "Ed25519", "x": "` + x + `"}`: "EdDSA",
		`{"kty": "OKP", "crv": "Ed25519", "kid": "a", "alg": "ES256", "x": "` + x + `"}`:   "",
		`{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}`:                             "RS256",
		`{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "alg": "PS256"}`:             "PS256",
		`{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "alg": "HS256"}`:             "",
		`{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "use": "enc"}`:               "",
		`{"kty": "EC", "crv": "P-256", "kid": "a", "x": "AQ", "y": "AQ"}`:                  "",
		`{"kty": "oct", "kid": "a", "k": "AA", "alg": "HS256"}`:                            "",
		`{"kty": "AKP", "kid": "a", "pub": "AA", "alg": "ML-DSA-44"}`:                      "",
		`{"kty": 1}`: "",
	} {
		if _, key, ok := parseKey([]byte(text)); key.algorithm != algorithm || ok != (algorithm != "") {
			t.Errorf("%s: %q", text, key.algorithm)
		}
	}
}

func TestTheCacheIsLimitedInNumberAndTimeAndKeepsWhatIsUsed(t *testing.T) {
	cache, now := answerCache{size: 3}, time.Now()
	hash := func(name string) credentialHash { return sha256.Sum256([]byte(name)) }
	for _, name := range []string{"a", "b", "c"} {
		cache.put(hash(name), &Caller{ClientID: name}, now, 10*time.Second)
	}
	cache.get(hash("a"), now)
	cache.put(hash("d"), nil, now, 10*time.Second)
	for name, expected := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if _, cached := cache.get(hash(name), now); cached != expected {
			t.Errorf("%s: %v", name, cached)
		}
	}
	if _, cached := cache.get(hash("a"), now.Add(10*time.Second)); cached {
		t.Error("an answer outlives its time")
	}
	for number := 0; number < 100; number++ {
		cache.put(hash(fmt.Sprint(number)), nil, now, time.Second)
	}
	if len(cache.entries) != 3 || cache.byUse.Len() != 3 {
		t.Errorf("%d answers", len(cache.entries))
	}
}

func TestConcurrentCallersShareOneCall(t *testing.T) {
	var calls flight[string, int32]
	var count int32
	release := make(chan struct{})
	var waiting sync.WaitGroup
	for number := 0; number < 20; number++ {
		shared := calls.start("token", func() int32 {
			<-release
			return atomic.AddInt32(&count, 1)
		})
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			if result, ok := shared.wait(context.Background()); result != 1 || !ok {
				t.Errorf("%d, %v", result, ok)
			}
		}()
	}
	close(release)
	waiting.Wait()
	if again, _ := calls.start("token", func() int32 { return 7 }).wait(context.Background()); again != 7 {
		t.Errorf("%d after the call ended", again)
	}
}
