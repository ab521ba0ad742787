// Package jwtauthn says the same demands twice, to jwt-filter and to Envoy's own jwt_authn, and makes up requests on
// which the two must agree, unless one of the Classes says why they do not.
package jwtauthn

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// Provider is an issuer of tokens, and what is demanded of them.
type Provider struct {
	Name, Issuer  string
	Audiences     []string
	Subject       string   // a pattern with a star at its end
	Algorithms    []string // for jwt-filter only; jwt_authn has no such list
	Headers       []Header // where tokens are: names and prefixes
	Params        []string
	Cookies       []string
	Forward       bool
	PayloadHeader string
	Claims        []Header // headers, and the claims that they hand on
	Skew          int      // in seconds; jwt_authn takes 0 for 60
	MayLast       bool     // no exp is needed
	MaxLifetime   string   // a duration in seconds, such as "3600s"
}

// Header is a name with a text.
type Header [2]string

// Providers differ in all that may be demanded. Two of them look in the same header.
var Providers = []Provider{
	{
		Name: "corp", Issuer: "https://idp.example", Audiences: []string{"database", "https://records.example/"},
		Headers: []Header{{"authorization", "Bearer "}, {"x-token", ""}}, Params: []string{"access_token"}, Cookies: []string{"session"},
		PayloadHeader: "x-corp-payload", Skew: 60,
		Claims: []Header{{"x-corp-user", "sub"}, {"x-corp-dept", "org.dept"}, {"x-corp-level", "level"}, {"x-corp-role", "https://corp.example/role"}},
	},
	{
		Name: "partner", Issuer: "https://partner.example", Algorithms: Algorithms, Headers: []Header{{"x-token", ""}},
		Forward: true, Skew: 5, MayLast: true, Claims: []Header{{"x-partner-user", "sub"}},
	},
	{
		Name: "brief", Issuer: "https://brief.example", Subject: "svc-*", Headers: []Header{{"x-brief", "token="}},
		Skew: 60, MaxLifetime: "3600s", Claims: []Header{{"x-brief-user", "sub"}},
	},
}

// Require is what a path demands: one of its fields.
type Require struct {
	Provider             string
	Any, All             []Require
	Optional, Permissive *Require // what is inside of them is a Provider or Any
}

var (
	corp, partner, brief = Require{Provider: "corp"}, Require{Provider: "partner"}, Require{Provider: "brief"}
	either               = Require{Any: []Require{corp, partner}}
)

// Rules are what each path demands.
var Rules = []struct {
	Path    string
	Require Require
}{
	{"/corp", corp},
	{"/partner", partner},
	{"/brief", brief},
	{"/either", either},
	{"/any", Require{Any: []Require{brief, corp, partner}}},
	{"/all", Require{All: []Require{corp, partner}}},
	{"/far", Require{All: []Require{corp, brief}}},
	{"/optional", Require{Optional: &corp}},
	{"/optional-either", Require{Optional: &either}},
	{"/permissive", Require{Permissive: &corp}},
	{"/permissive-either", Require{Permissive: &either}},
	{"/none", Require{}},
}

// unruled is a path that no rule is for.
const unruled = "/unruled"

// providers are those that a request to a path may have tokens of.
func providers(path string) []*Provider {
	var names []string
	for _, rule := range Rules {
		if rule.Path == path {
			names = rule.Require.names()
		}
	}
	var found []*Provider
	for i := range Providers {
		if path == unruled || slices.Contains(names, Providers[i].Name) {
			found = append(found, &Providers[i])
		}
	}
	return found
}

func (r *Require) names() []string {
	switch {
	case r.Optional != nil:
		return r.Optional.names()
	case r.Permissive != nil:
		return r.Permissive.names()
	case r.Provider != "":
		return []string{r.Provider}
	}
	var names []string
	for _, child := range slices.Concat(r.Any, r.All) {
		names = append(names, child.names()...)
	}
	return names
}

type object = map[string]any
type list = []any

// Config is jwt-filter's configuration.
func Config() string {
	all, rules := object{}, list{}
	for i := range Providers {
		all[Providers[i].Name] = Providers[i].ours()
	}
	for _, rule := range Rules {
		rules = append(rules, object{"match": object{"paths": list{rule.Path}}, "require": rule.Require.ours()})
	}
	return text(object{
		"providers": all, "rules": rules, "response": object{"explain": true}, "audit": object{"log": "off"},
	})
}

func (p *Provider) ours() object {
	provider := object{
		"issuer": p.Issuer, "jwks": json.RawMessage(KeySet()), "forwardOriginalToken": p.Forward,
		"clockSkew": seconds(p.Skew), "requireExpiration": !p.MayLast,
		"fromHeaders": objects(p.Headers, "name", "prefix"), "outputClaimToHeaders": objects(p.Claims, "header", "claim"),
	}
	set(provider, "audiences", p.Audiences, p.Audiences != nil)
	set(provider, "algorithms", p.Algorithms, p.Algorithms != nil)
	set(provider, "subjects", list{p.Subject}, p.Subject != "")
	set(provider, "outputPayloadToHeader", p.PayloadHeader, p.PayloadHeader != "")
	set(provider, "maxLifetime", p.MaxLifetime, p.MaxLifetime != "")
	set(provider, "fromParams", p.Params, p.Params != nil)
	set(provider, "fromCookies", p.Cookies, p.Cookies != nil)
	return provider
}

func (r *Require) ours() object {
	each := func(children []Require) (out list) {
		for i := range children {
			out = append(out, children[i].ours())
		}
		return out
	}
	switch {
	case r.Provider != "":
		return object{"provider": r.Provider}
	case r.Any != nil:
		return object{"any": each(r.Any)}
	case r.All != nil:
		return object{"all": each(r.All)}
	case r.Optional != nil:
		return object{"optional": r.Optional.ours()}
	case r.Permissive != nil:
		return object{"permissive": r.Permissive.ours()}
	}
	return object{"none": true}
}

// Native is the same for Envoy's jwt_authn.
func Native() envoy.Extension {
	all, rules := object{}, list{}
	for i := range Providers {
		all[Providers[i].Name] = Providers[i].theirs()
	}
	for _, rule := range Rules {
		entry := object{"match": object{"path": rule.Path}}
		if require := rule.Require.theirs(); require != nil {
			entry["requires"] = require
		}
		rules = append(rules, entry)
	}
	return envoy.Extension{
		Name: "envoy.filters.http.jwt_authn", Type: "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
		Config: object{"providers": all, "rules": rules},
	}
}

func (p *Provider) theirs() object {
	provider := object{
		"issuer": p.Issuer, "local_jwks": object{"inline_string": KeySet()}, "forward": p.Forward,
		"clock_skew_seconds": p.Skew, "require_expiration": !p.MayLast,
		"from_headers": objects(p.Headers, "name", "value_prefix"), "claim_to_headers": objects(p.Claims, "header_name", "claim_name"),
	}
	set(provider, "audiences", p.Audiences, p.Audiences != nil)
	set(provider, "subjects", object{"prefix": strings.TrimSuffix(p.Subject, "*")}, p.Subject != "")
	set(provider, "forward_payload_header", p.PayloadHeader, p.PayloadHeader != "")
	set(provider, "max_lifetime", p.MaxLifetime, p.MaxLifetime != "")
	set(provider, "from_params", p.Params, p.Params != nil)
	set(provider, "from_cookies", p.Cookies, p.Cookies != nil)
	return provider
}

// theirs is nil if nothing is required. What jwt_authn has for optional and permissive is an alternative beside the
// requirement, which then goes by the places of the providers beside it.
func (r *Require) theirs() object {
	each := func(children []Require, more ...any) object {
		out := list{}
		for i := range children {
			out = append(out, children[i].theirs())
		}
		return object{"requirements": append(out, more...)}
	}
	alternatives := func(child *Require) []Require {
		if child.Any != nil {
			return child.Any
		}
		return []Require{*child}
	}
	switch {
	case r.Provider != "":
		return object{"provider_name": r.Provider}
	case r.Any != nil:
		return object{"requires_any": each(r.Any)}
	case r.All != nil:
		return object{"requires_all": each(r.All)}
	case r.Optional != nil:
		return object{"requires_any": each(alternatives(r.Optional), object{"allow_missing": object{}})}
	case r.Permissive != nil:
		return object{"requires_any": each(alternatives(r.Permissive), object{"allow_missing_or_failed": object{}})}
	}
	return nil
}

func set(to object, name string, value any, present bool) {
	if present {
		to[name] = value
	}
}

func objects(pairs []Header, first, second string) list {
	out := list{}
	for _, pair := range pairs {
		entry := object{first: pair[0]}
		set(entry, second, pair[1], pair[1] != "")
		out = append(out, entry)
	}
	return out
}

func text(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // nothing but what JSON has
	}
	return string(b)
}
