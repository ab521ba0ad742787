package jwt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// order are the tokens from the most to the least recently used, by way of the list; the way back must agree,
// and so must the map.
func (c *tokenCache) order(t *testing.T) string {
	t.Helper()
	var tokens, back []string
	for e := c.newest; e != nil; e = e.older {
		tokens = append(tokens, e.key.token)
		require.Same(t, e, c.entries[e.key], "an entry of the list that is not in the map")
	}
	for e := c.oldest; e != nil; e = e.newer {
		back = append([]string{e.key.token}, back...)
	}
	require.Equal(t, tokens, back)
	require.Len(t, c.entries, len(tokens))
	return strings.Join(tokens, " ")
}

func TestCacheLetsTheLeastRecentlyUsedGo(t *testing.T) {
	c := newTokenCache(CacheConfig{Entries: 3, MaxTokenBytes: 10})
	id := &identity{}
	for _, token := range []string{"a", "b", "c"} {
		c.put(0, token, id)
	}
	assert.Equal(t, "c b a", c.order(t))
	assert.Same(t, id, c.get(0, "a"))
	assert.Equal(t, "a c b", c.order(t))
	c.put(0, "d", id)
	assert.Equal(t, "d a c", c.order(t))
	assert.Nil(t, c.get(0, "b"))
	c.drop(0, "a")
	assert.Equal(t, "d c", c.order(t))
	c.drop(0, "a")
	c.drop(0, "d")
	c.drop(0, "c")
	assert.Empty(t, c.order(t))
	c.put(0, "e", id)
	assert.Equal(t, "e", c.order(t))
}

func TestCachePutsATokenOnce(t *testing.T) {
	c := newTokenCache(CacheConfig{Entries: 2, MaxTokenBytes: 10})
	for range 5 {
		c.put(0, "a", &identity{})
		c.put(0, "b", &identity{})
	}
	assert.Equal(t, "b a", c.order(t))
}

func TestCacheBounds(t *testing.T) {
	c := newTokenCache(CacheConfig{Entries: 2, MaxTokenBytes: 4})
	c.put(0, "12345", &identity{})
	assert.Empty(t, c.order(t), "a token that is too long")
	c.put(0, "1234", &identity{})
	c.put(1, "1234", &identity{provider: 1})
	assert.Equal(t, "1234 1234", c.order(t), "the providers' entries are apart")
	assert.Equal(t, 1, c.get(1, "1234").provider)
	off := newTokenCache(CacheConfig{MaxTokenBytes: 4})
	off.put(0, "1", &identity{})
	assert.Empty(t, off.order(t))
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
	assert.Equal(t, tokens[1]+" "+tokens[0], v.cache.order(t))
	decide(t, v, bearing(tokens[2]), now)
	assert.Equal(t, tokens[2]+" "+tokens[1], v.cache.order(t))
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
