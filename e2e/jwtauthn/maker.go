package jwtauthn

import (
	"strconv"
	"time"
)

// Maker makes examples.
type Maker struct{ Now time.Time }

// token is a good token of a provider, with some claims replaced: names and JSON texts in turn.
func (m Maker) token(provider string, claims ...string) *token {
	t := newToken(providerOf(provider), "ES256", m.Now)
	for i := 0; i < len(claims); i += 2 {
		t.claim(claims[i], claims[i+1])
	}
	return t
}

// signed is a good token but for its key and algorithm.
func (m Maker) signed(provider, key, algorithm string) *token {
	t := newToken(providerOf(provider), algorithm, m.Now)
	t.key = key
	t.head("kid", quote(key))
	return t
}

func (m Maker) date(offset int64) string { return strconv.FormatInt(m.Now.Unix()+offset, 10) }

// request has some headers: names and values in turn.
func (m Maker) request(path string, headers ...string) Request {
	q := Request{Path: path, At: m.Now}
	for i := 0; i < len(headers); i += 2 {
		q.Headers = append(q.Headers, Header{headers[i], headers[i+1]})
	}
	return q
}

// query is a request with tokens in its query.
func (m Maker) query(path, query string) Request { return Request{Path: path, Query: query, At: m.Now} }

func providerOf(name string) *Provider {
	for i := range Providers {
		if Providers[i].Name == name {
			return &Providers[i]
		}
	}
	panic("no provider " + name)
}
