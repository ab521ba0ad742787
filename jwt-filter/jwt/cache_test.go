package jwt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// order are the fingerprints from the most to the least recently used, by way of the list. The way back must agree, and so
// must what is found, what is counted and what is free.
func (c *tokenCache) order(t *testing.T) []fingerprint {
	t.Helper()
	var keys, back []fingerprint
	bytes := 0
	for i := c.newest; i != nobody; i = c.entries[i].older {
		e := &c.entries[i]
		keys = append(keys, e.key)
		bytes += e.identity.size()
		require.Equal(t, i, c.find(e.identity.provider, e.key), "an entry of the list that is not found")
	}
	for i := c.oldest; i != nobody; i = c.entries[i].newer {
		back = append([]fingerprint{c.entries[i].key}, back...)
	}
	require.Equal(t, keys, back)
	require.Len(t, keys, c.count)
	require.Equal(t, bytes, c.bytes)
	free := 0
	for i := c.free; i != nobody; i = c.entries[i].next {
		require.Nil(t, c.entries[i].identity)
		free++
	}
	require.Len(t, c.entries, c.count+free)
	return keys
}

func cacheOf(entries, maxTokenBytes int) *tokenCache {
	return newTokenCache(CacheConfig{Entries: entries, MaxTokenBytes: maxTokenBytes, MaxBytes: 1 << 20}, [16]byte{1})
}

// keys are the fingerprints of tokens.
func (c *tokenCache) keys(tokens ...string) (keys []fingerprint) {
	for _, token := range tokens {
		keys = append(keys, c.fingerprint(token))
	}
	return keys
}

func (c *tokenCache) putToken(token string, id *identity) {
	c.put(c.fingerprint(token), len(token), id)
}

func TestCacheLetsTheLeastRecentlyUsedGo(t *testing.T) {
	c := cacheOf(3, 10)
	id := &identity{}
	for _, token := range []string{"a", "b", "c"} {
		c.putToken(token, id)
	}
	assert.Equal(t, c.keys("c", "b", "a"), c.order(t))
	assert.Same(t, id, c.get(0, c.fingerprint("a")))
	assert.Equal(t, c.keys("a", "c", "b"), c.order(t))
	c.putToken("d", id)
	assert.Equal(t, c.keys("d", "a", "c"), c.order(t))
	assert.Nil(t, c.get(0, c.fingerprint("b")))
	c.drop(0, c.fingerprint("a"))
	assert.Equal(t, c.keys("d", "c"), c.order(t))
	c.drop(0, c.fingerprint("a"))
	c.drop(0, c.fingerprint("d"))
	c.drop(0, c.fingerprint("c"))
	assert.Empty(t, c.order(t))
	c.putToken("e", id)
	assert.Equal(t, c.keys("e"), c.order(t))
}

func TestCachePutsATokenOnce(t *testing.T) {
	c := cacheOf(2, 10)
	for range 5 {
		c.putToken("a", &identity{})
		c.putToken("b", &identity{})
	}
	assert.Equal(t, c.keys("b", "a"), c.order(t))
}

func TestCacheBounds(t *testing.T) {
	c := cacheOf(2, 4)
	c.putToken("12345", &identity{})
	assert.Empty(t, c.order(t), "a token that is too long")
	c.putToken("1234", &identity{})
	c.putToken("1234", &identity{provider: 1})
	assert.Equal(t, c.keys("1234", "1234"), c.order(t), "the providers' entries are apart")
	assert.Equal(t, 1, c.get(1, c.fingerprint("1234")).provider)
	assert.Nil(t, c.get(2, c.fingerprint("1234")))
	off := cacheOf(0, 4)
	off.putToken("1", &identity{})
	assert.Empty(t, off.order(t))
}

func TestCacheBoundsItsBytes(t *testing.T) {
	small, large := &identity{}, &identity{property: strings.Repeat("x", 1000)}
	c := newTokenCache(CacheConfig{Entries: 100, MaxTokenBytes: 10, MaxBytes: large.size() + 2*small.size()}, [16]byte{1})
	for _, token := range []string{"a", "b", "c"} {
		c.putToken(token, small)
	}
	c.putToken("large", large)
	assert.Equal(t, c.keys("large", "c", "b"), c.order(t), "the oldest makes room")
	c.putToken("another", large)
	assert.Equal(t, c.keys("another"), c.order(t)[:1])
	assert.LessOrEqual(t, c.bytes, c.config.MaxBytes)
	c.putToken("too large", &identity{property: strings.Repeat("x", 10_000)})
	assert.Equal(t, c.keys("another"), c.order(t)[:1], "what does not fit at all does not empty the cache")
}

func TestCacheForgetsAProvider(t *testing.T) {
	c := cacheOf(100, 10)
	for i := range 30 {
		c.putToken(fmt.Sprint(i), &identity{provider: i % 3})
	}
	c.dropProvider(1)
	assert.Len(t, c.order(t), 20)
	for i := range 30 {
		assert.Equal(t, i%3 != 1, c.get(i%3, c.fingerprint(fmt.Sprint(i))) != nil, i)
	}
}

// The cache against a list of what it should have, the least recently used last.
func TestCacheAgreesWithAModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	c := cacheOf(7, 10)
	var model []string // "provider token"
	for range 20_000 {
		provider, token := random.IntN(2), fmt.Sprint(random.IntN(8))
		name := fmt.Sprint(provider, " ", token)
		at := slices.Index(model, name)
		switch random.IntN(10) {
		case 0:
			c.drop(provider, c.fingerprint(token))
			if at >= 0 {
				model = slices.Delete(model, at, at+1)
			}
		case 1:
			c.putToken(token, &identity{provider: provider})
			if at >= 0 {
				model = slices.Delete(model, at, at+1)
			}
			model = slices.Insert(model, 0, name)
			model = model[:min(len(model), 7)]
		default:
			id := c.get(provider, c.fingerprint(token))
			require.Equal(t, at >= 0, id != nil)
			if at >= 0 {
				require.Equal(t, provider, id.provider)
				model = slices.Insert(slices.Delete(model, at, at+1), 0, name)
			}
		}
	}
	assert.Len(t, c.order(t), len(model))
}

func TestFingerprintsHaveAKey(t *testing.T) {
	a, b := cacheOf(1, 1), newTokenCache(CacheConfig{}, [16]byte{2})
	assert.NotEqual(t, a.fingerprint("x"), b.fingerprint("x"), "nobody outside can compute one")
	assert.NotEqual(t, a.fingerprint("x"), a.fingerprint("y"))
	assert.Equal(t, a.fingerprint("x"), a.fingerprint("x"))
}

func TestRepeatedTokensDoNotGrowTheCache(t *testing.T) {
	v := verifier(t, nil, object{"cache": object{"entries": 2}})
	var tokens []string
	for i := range 3 {
		tokens = append(tokens, sign(t, jose.ES256, claimsFor(object{"sub": fmt.Sprint(i)})))
	}
	for i := range 20 {
		res := decide(t, v, bearing(tokens[i%2]), now)
		require.EqualValues(t, 200, res.Status)
		require.Equal(t, i >= 2, res.CacheHits == 1)
	}
	assert.Equal(t, v.cache.keys(tokens[1], tokens[0]), v.cache.order(t))
	decide(t, v, bearing(tokens[2]), now)
	assert.Equal(t, v.cache.keys(tokens[2], tokens[1]), v.cache.order(t))
}

func TestCachedTokensExpire(t *testing.T) {
	v := verifier(t, object{"clockSkew": "10s"}, nil)
	token := sign(t, jose.ES256, claimsFor(nil)) // for a minute
	for _, c := range []struct {
		after  time.Duration
		status uint32
	}{{0, 200}, {69 * time.Second, 200}, {70 * time.Second, 401}} {
		res := decide(t, v, bearing(token), now.Add(c.after))
		assert.Equal(t, c.status, res.Status, c.after)
	}
	assert.Empty(t, v.cache.order(t), "an expired token is forgotten")
}

func TestRefusedTokensAreNotCached(t *testing.T) {
	v := verifier(t, nil, nil)
	for range 2 {
		res := decide(t, v, bearing(signBy(t, jose.ES256, testKeys()["P-256"], claimsFor(object{"iss": "https://evil.example"}))), now)
		assert.EqualValues(t, 401, res.Status)
		assert.Equal(t, 1, res.CacheMisses)
	}
	assert.Empty(t, v.cache.order(t))
}
