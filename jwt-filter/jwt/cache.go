package jwt

import (
	"encoding/binary"

	"github.com/palisade-mesh/palisade/filters/siphash"
)

// tokenCache keeps what verified tokens came to, the least recently used going first.
//
// A token is found by its digest, SipHash-2-4 of 128 bits under a key that each instance has for itself and never
// shows: without it nobody can look for two tokens that are taken for one another, and among a few thousand entries
// that happens by chance about once in 2^116 look-ups. A cache belongs to one configuration; if a provider's keys change,
// its entries go.
//
// It is bounded by the number of its entries, by what they hold in bytes, and by the size of a token that is kept at all.
// Each worker has its own: nothing is shared, nothing is locked.
type tokenCache struct {
	config  CacheConfig
	k0, k1  uint64
	buckets []int32      // by digest: where a chain of entries begins
	entries []cacheEntry // as many as there have been at once
	free    int32        // where the chain of entries that are not in use begins
	bytes   int          // what the identities hold
	count   int

	// ends of the list, most and least recently used; the list is the entries'.
	newest, oldest int32
}

// nobody ends chains and lists.
const nobody int32 = -1

// fingerprint stands for a token.
type fingerprint struct{ high, low uint64 }

type cacheEntry struct {
	key          fingerprint
	identity     *identity // nil: the entry is free
	next         int32     // in the bucket, or of the free entries
	newer, older int32
}

// newTokenCache makes an empty cache with a key that nobody knows.
func newTokenCache(c CacheConfig, key [16]byte) *tokenCache {
	size := 1
	for size < c.Entries {
		size *= 2
	}
	t := &tokenCache{
		config: c, buckets: make([]int32, size), free: nobody, newest: nobody, oldest: nobody,
		k0: binary.LittleEndian.Uint64(key[:]), k1: binary.LittleEndian.Uint64(key[8:]),
	}
	for i := range t.buckets {
		t.buckets[i] = nobody
	}
	return t
}

// fingerprint is how a token is found.
func (c *tokenCache) fingerprint(token string) fingerprint {
	high, low := siphash.Hash128(c.k0, c.k1, bytesOf(token))
	return fingerprint{high, low}
}

// get is what a provider made of a token, nil if that is not known.
func (c *tokenCache) get(provider int, key fingerprint) *identity {
	i := c.find(provider, key)
	if i == nobody {
		return nil
	}
	if i != c.newest {
		c.unlink(i)
		c.link(i)
	}
	return c.entries[i].identity
}

// put keeps what a provider made of a token of so many bytes.
func (c *tokenCache) put(key fingerprint, tokenBytes int, id *identity) {
	size := id.size()
	if c.config.Entries == 0 || tokenBytes > c.config.MaxTokenBytes || size > c.config.MaxBytes {
		return
	}
	c.drop(id.provider, key)
	for c.count >= c.config.Entries || c.bytes+size > c.config.MaxBytes {
		c.remove(c.oldest)
	}
	i := c.free
	if i != nobody {
		c.free = c.entries[i].next
	} else {
		i = int32(len(c.entries))
		c.entries = append(c.entries, cacheEntry{})
	}
	bucket := c.bucket(key)
	c.entries[i] = cacheEntry{key: key, identity: id, next: *bucket}
	*bucket = i
	c.link(i)
	c.count++
	c.bytes += size
}

// drop forgets a token, for one that has expired or is to be put again.
func (c *tokenCache) drop(provider int, key fingerprint) {
	if i := c.find(provider, key); i != nobody {
		c.remove(i)
	}
}

// dropProvider forgets all that a provider has verified, for one whose keys are others now.
func (c *tokenCache) dropProvider(provider int) {
	for i := range c.entries {
		if id := c.entries[i].identity; id != nil && id.provider == provider {
			c.remove(int32(i))
		}
	}
}

func (c *tokenCache) find(provider int, key fingerprint) int32 {
	i := *c.bucket(key)
	for i != nobody {
		if e := &c.entries[i]; e.key == key && e.identity.provider == provider {
			break
		}
		i = c.entries[i].next
	}
	return i
}

func (c *tokenCache) bucket(key fingerprint) *int32 {
	return &c.buckets[key.low&uint64(len(c.buckets)-1)]
}

func (c *tokenCache) remove(i int32) {
	e := &c.entries[i]
	at := c.bucket(e.key)
	for *at != i {
		at = &c.entries[*at].next
	}
	*at = e.next
	c.unlink(i)
	c.count--
	c.bytes -= e.identity.size()
	*e = cacheEntry{next: c.free}
	c.free = i
}

func (c *tokenCache) link(i int32) {
	e := &c.entries[i]
	e.newer, e.older = nobody, c.newest
	if c.newest != nobody {
		c.entries[c.newest].newer = i
	} else {
		c.oldest = i
	}
	c.newest = i
}

func (c *tokenCache) unlink(i int32) {
	e := &c.entries[i]
	if e.newer != nobody {
		c.entries[e.newer].older = e.older
	} else {
		c.newest = e.older
	}
	if e.older != nobody {
		c.entries[e.older].newer = e.newer
	} else {
		c.oldest = e.newer
	}
}
