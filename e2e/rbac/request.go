package rbac

import (
	"slices"
	"strings"
)

// Connection is what all requests on one connection share.
type Connection struct {
	Peer    string // one of Peers
	SNI     string
	Address string // of the client
	Port    string // that it connected to
}

// Request is one request.
type Request struct {
	Method, Host, Path string
	Headers            [][2]string
}

// Connection makes up a connection that one of the rules may be waiting for.
func (r Random) Connection(s *Set) Connection {
	c := Connection{Peer: r.of(Peers), SNI: r.of(snis), Address: r.of(addresses), Port: r.of(ports)}
	rule := r.anyRule(s)
	if len(rule.From) > 0 && !r.chance(4) {
		source := rule.From[r.IntN(len(rule.From))].Source
		c.Peer = r.like(c.Peer, source.Principals, prefixed(Peers))
	}
	if len(rule.To) > 0 && !r.chance(4) {
		c.Port = r.like(c.Port, rule.To[r.IntN(len(rule.To))].Operation.Ports, ports)
	}
	return c
}

// Request makes up a request that one of the rules may be waiting for, or
// nearly.
func (r Random) Request(s *Set) Request {
	q := Request{Method: r.of(methods), Host: r.of(hosts), Path: r.of(paths)}
	rule := r.anyRule(s)
	if len(rule.To) > 0 && !r.chance(5) {
		op := rule.To[r.IntN(len(rule.To))].Operation
		q.Method = r.like(q.Method, op.Methods, methods)
		q.Host = r.like(q.Host, op.Hosts, hosts)
		q.Path = r.like(q.Path, op.Paths, paths)
	}
	for _, name := range headers {
		text := r.of(headerTexts)
		for _, c := range rule.When {
			if c.Key == "request.headers["+name+"]" {
				text = r.like(text, c.Values, headerTexts)
			}
		}
		if !r.chance(3) {
			q.Headers = append(q.Headers, [2]string{name, text})
		}
	}
	return q
}

func (r Random) anyRule(s *Set) Rule {
	rules := s.Policies[r.IntN(len(s.Policies))].Rules
	if len(rules) == 0 {
		return Rule{}
	}
	return rules[r.IntN(len(rules))]
}

// like is one of candidates that looks as if it would match one of the
// patterns, or other if there is none. It need not be right.
func (r Random) like(other string, patterns, candidates []string) string {
	if len(patterns) == 0 {
		return other
	}
	pattern := r.of(patterns)
	head, _, _ := strings.Cut(pattern, "{")
	text := strings.Trim(strings.TrimPrefix(head, "spiffe://"), "*")
	var good []string
	for _, c := range candidates {
		if strings.Contains(c, text) {
			good = append(good, c)
		}
	}
	if len(good) == 0 {
		return other
	}
	return r.of(good)
}

// prefixed are those that have anything in them.
func prefixed(peers []string) []string {
	return slices.DeleteFunc(slices.Clone(peers), func(p string) bool { return p == Nobody })
}
