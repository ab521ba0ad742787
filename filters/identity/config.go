package identity

import (
	"slices"
	"strings"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/spiffe"
)

// Decode reads the `identity` object of a filter's configuration: {source: tls}, or {source: xfcc, from: [...]} with the
// proxies whose header x-forwarded-client-cert is believed. The Resolver is to be used by one worker.
func Decode(n config.Node) Resolver {
	o := n.Object("source", "from")
	v := Resolver{XFCC: o.Get("source").OneOf("tls", "tls", "xfcc") == "xfcc"}
	from := o.Get("from")
	switch {
	case v.XFCC && !from.Present():
		from.Mistake("missing; needed with source xfcc: the proxies whose header is believed, for example " +
			`["spiffe://example.org/ns/edge/sa/gateway"]`)
	case !v.XFCC && from.Present():
		from.Mistake("only with source xfcc; the header of no peer is believed with tls")
	}
	v.From = DecodePrincipals(from, nil)
	if slices.ContainsFunc(v.From, func(p match.String) bool { return p.String() == "*" }) {
		from.Mistake("found \"*\"; whoever is believed can claim to be anybody, so name them")
	}
	return v
}

// DecodePrincipals reads a non-empty list of patterns for SPIFFE IDs, written with or without spiffe://. pattern, unless it
// is nil, gives each the form that counts.
func DecodePrincipals(n config.Node, pattern func(string) string) []match.String {
	var out []match.String
	for _, e := range n.NonEmptyList() {
		s := strings.TrimPrefix(e.String(""), spiffe.Scheme)
		if pattern != nil {
			s = pattern(s)
		}
		m, err := match.ParseString(s)
		switch {
		case err != nil:
			e.Mistake(err.Error())
		case strings.IndexByte(s, '*') < 0 && e.String("") != "":
			if _, err := spiffe.Parse(spiffe.Scheme + s); err != nil {
				e.Mistake("found \"" + s + "\", which no workload can have: " + err.Error())
			}
		}
		out = append(out, m)
	}
	return out
}
