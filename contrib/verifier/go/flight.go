package verifier

import (
	"context"
	"sync"
)

// flight lets concurrent callers with the same key share one call.
type flight[K comparable, V any] struct {
	mutex   sync.Mutex
	running map[K]*call[V]
}

type call[V any] struct {
	done   chan struct{}
	result V
}

// start runs a function in the background, unless one with this key is running.
func (f *flight[K, V]) start(key K, run func() V) *call[V] {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if running, ok := f.running[key]; ok {
		return running
	}
	if f.running == nil {
		f.running = map[K]*call[V]{}
	}
	started := &call[V]{done: make(chan struct{})}
	f.running[key] = started
	go func() {
		started.result = run()
		f.mutex.Lock()
		delete(f.running, key)
		f.mutex.Unlock()
		close(started.done)
	}()
	return started
}

// wait returns false if the context ends first. The call goes on for the others that wait.
func (c *call[V]) wait(ctx context.Context) (result V, ok bool) {
	select {
	case <-c.done:
		return c.result, true
	case <-ctx.Done():
		return result, false
	}
}
