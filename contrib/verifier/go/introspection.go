package verifier

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// credentialHash is the SHA-256 digest of a credential, so that the cache holds no secret.
type credentialHash = [sha256.Size]byte

// introspection introspects credentials (RFC 7662), with a cache.
type introspection struct {
	url     string
	options *Options
	cache   answerCache
	calls   flight[credentialHash, outcome]
}

// outcome is the result of a call. The caller is nil if the credential is not active.
type outcome struct {
	caller *Caller
	err    error
}

func newIntrospection(url string, options *Options) *introspection {
	return &introspection{url: url, options: options, cache: answerCache{size: options.CacheSize}}
}

// introspect returns the caller that an active credential authenticates.
func (i *introspection) introspect(ctx context.Context, token string) (*Caller, error) {
	hash := sha256.Sum256([]byte(token))
	caller, cached := i.cache.get(hash, time.Now())
	if !cached {
		result, ok := i.calls.start(hash, func() outcome { return i.call(token, hash) }).wait(ctx)
		if !ok || result.err != nil {
			return nil, ErrUnavailable
		}
		caller = result.caller
	}
	if caller == nil {
		return nil, ErrInvalidToken
	}
	return caller, nil
}

func (i *introspection) call(token string, hash credentialHash) outcome {
	// Another call may have ended after this one's caller looked.
	if caller, cached := i.cache.get(hash, time.Now()); cached {
		return outcome{caller: caller}
	}
	caller, err := i.request(token)
	if err != nil {
		i.options.OnError(fmt.Errorf("cannot introspect: %w", err))
		return outcome{err: err}
	}
	now := time.Now()
	ttl := i.options.InactiveTTL
	if caller != nil {
		ttl = i.options.ActiveTTL
		// No longer than the credential is valid. An API key may have no exp.
		if exp, ok := caller.Claims["exp"].(float64); ok {
			if left := time.Unix(int64(exp), 0).Sub(now); left < ttl {
				ttl = left
			}
		}
	}
	i.cache.put(hash, caller, now, ttl)
	return outcome{caller: caller}
}

func (i *introspection) request(token string) (*Caller, error) {
	form := strings.NewReader(url.Values{"token": {token}}.Encode())
	request, err := http.NewRequest(http.MethodPost, i.url, form)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	basicAuthorization(request, i.options.ClientID, i.options.ClientSecret)
	response, err := i.options.HTTPClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %s", i.url, response.Status)
	}
	var members map[string]interface{}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(&members); err != nil {
		return nil, fmt.Errorf("%s: %w", i.url, err)
	}
	switch members["active"] {
	case true:
		return newCaller(members), nil
	case false:
		return nil, nil
	}
	return nil, fmt.Errorf("%s: the response has no active", i.url)
}

// answerCache holds answers by the hash of the credential, limited in number and time.
type answerCache struct {
	size    int
	mutex   sync.Mutex
	entries map[credentialHash]*list.Element
	// byUse has the entry that was used last in front.
	byUse list.List
}

type answer struct {
	hash      credentialHash
	caller    *Caller
	expiresAt time.Time
}

// get returns false if nothing is cached.
func (c *answerCache) get(hash credentialHash, now time.Time) (*Caller, bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	element, ok := c.entries[hash]
	if !ok {
		return nil, false
	}
	cached := element.Value.(*answer)
	if !now.Before(cached.expiresAt) {
		c.remove(element)
		return nil, false
	}
	c.byUse.MoveToFront(element)
	return cached.caller, true
}

func (c *answerCache) put(hash credentialHash, caller *Caller, now time.Time, ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if element, ok := c.entries[hash]; ok {
		c.remove(element)
	}
	if c.entries == nil {
		c.entries = map[credentialHash]*list.Element{}
	}
	c.entries[hash] = c.byUse.PushFront(&answer{hash, caller, now.Add(ttl)})
	if len(c.entries) > c.size {
		c.remove(c.byUse.Back())
	}
}

func (c *answerCache) remove(element *list.Element) {
	delete(c.entries, c.byUse.Remove(element).(*answer).hash)
}
