package jwt

import "strings"

// tokenCache keeps what verified tokens came to, the least recently used going first. It is keyed by
// provider and the whole token, so that two tokens cannot be taken for one another; a new configuration
// starts with a new cache. Its bounds are its number of entries and the size of a token that is kept at
// all, so the bytes it holds are bounded by their product.
//
// Each worker has its own: nothing is shared, nothing is locked.
type tokenCache struct {
	config  CacheConfig
	entries map[cacheKey]*cacheEntry
	// ends of the list, most and least recently used; the list is the entries'.
	newest, oldest *cacheEntry
}

type cacheKey struct {
	provider int
	token    string
}

type cacheEntry struct {
	key          cacheKey
	identity     *identity
	newer, older *cacheEntry
}

func newTokenCache(c CacheConfig) *tokenCache {
	return &tokenCache{config: c, entries: make(map[cacheKey]*cacheEntry)}
}

func (c *tokenCache) get(provider int, token string) *identity {
	e := c.entries[cacheKey{provider, token}]
	if e == nil {
		return nil
	}
	if e != c.newest {
		c.unlink(e)
		c.link(e)
	}
	return e.identity
}

func (c *tokenCache) put(provider int, token string, id *identity) {
	if c.config.Entries == 0 || len(token) > c.config.MaxTokenBytes {
		return
	}
	// An entry that stayed in the list without being in the map would never go.
	c.drop(provider, token)
	if len(c.entries) >= c.config.Entries {
		c.remove(c.oldest)
	}
	// The token is a part of the request's headers, whose memory the next request overwrites: with another token
	// there, the entry would be that one's, too.
	e := &cacheEntry{key: cacheKey{provider, strings.Clone(token)}, identity: id}
	c.entries[e.key] = e
	c.link(e)
}

// drop forgets a token, for one that has expired or is to be put again.
func (c *tokenCache) drop(provider int, token string) {
	if e := c.entries[cacheKey{provider, token}]; e != nil {
		c.remove(e)
	}
}

func (c *tokenCache) remove(e *cacheEntry) {
	delete(c.entries, e.key)
	c.unlink(e)
}

func (c *tokenCache) link(e *cacheEntry) {
	e.newer, e.older = nil, c.newest
	if c.newest != nil {
		c.newest.newer = e
	} else {
		c.oldest = e
	}
	c.newest = e
}

func (c *tokenCache) unlink(e *cacheEntry) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		c.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		c.oldest = e.newer
	}
}
