package inrow

import "strings"

// Methods that requests have.
var Methods = []string{"GET", "POST", "DELETE"}

// Peers are the URIs of clients' certificates, none for no certificate.
var Peers = [][]string{
	nil,
	{"spiffe://example.org/ns/shop/sa/backend"},
	{"spiffe://example.org/ns/shop/sa/frontend"},
	{"spiffe://other.example/ns/shop/sa/backend"},
	{"spiffe://example.org/ns/shop/sa/backend", "spiffe://example.org/ns/shop/sa/frontend"},
}

// Request is one, with the names of Tokens in place of tokens.
type Request struct {
	Method, Path string
	Headers      [][2]string
}

// Request makes up a request with some of the tokens that there are, by name.
func (r Random) Request(tokens map[string]string) Request {
	q := Request{Method: of(r, Methods...), Path: of(r, "/", "/public/x", "/records/42", "/records/a.json")}
	if r.chance(4) {
		q.Path = of(r, "/records/..;/public/x", "/records//42", "/x/%2e%2e/public/x", "/a%00b", "/public/%2E%2E/records/1")
	}
	if r.chance(2) {
		q.Path += of(r, "?q=1", "?q=2&q=1", "?q=%31", "?x")
	}
	if r.chance(5) {
		q.Headers = append(q.Headers, [2]string{of(r, "x-user", "X-User", "x-scope", "x-payload"), of(r, "alice", "mallory", "2")})
	}
	if r.chance(6) {
		q.Headers = append(q.Headers, [2]string{"authorization", "Basic YWxpY2U6eA=="})
	}
	if r.chance(6) {
		q.Headers = append(q.Headers, [2]string{"cookie", "theme=dark"})
	}
	for range of(r, 0, 1, 1, 1, 1, 2) {
		token := tokens[of(r, TokenNames...)]
		switch r.IntN(9) {
		case 0:
			separator := "?"
			if strings.Contains(q.Path, "?") {
				separator = "&"
			}
			q.Path += separator + "access_token=" + token
		case 1:
			q.Headers = append(q.Headers, [2]string{"cookie", "a=b; session=" + token + "; c=d"})
		case 2:
			q.Headers = append(q.Headers, [2]string{"x-token", token})
		default:
			q.Headers = append(q.Headers, [2]string{"authorization", "Bearer " + token})
		}
	}
	if r.chance(3) {
		q.Headers = append(q.Headers, [2]string{"x-device", tokens[of(r, "phone", "phone", "alice")]})
	}
	return q
}

// TokenNames are of the tokens that a request may have, the good ones more than once.
var TokenNames = []string{"alice", "alice", "alice", "alice", "bob", "bob", "admin", "bound", "expired", "forged", "stranger", "phone", "garbage"}
