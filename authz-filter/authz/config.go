package authz

import (
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/operation"
	"github.com/palisade-mesh/palisade/filters/spiffe"
)

// Config is an authz-filter configuration as its author wrote it, decoded and checked.
type Config struct {
	Mode          decision.Mode
	Default       decision.Effect
	Normalization match.Normalization
	TrustDomains  []string // nil: any
	Policies      []PolicyConfig
	Response      decision.Response
	Audit         decision.Audit
}

// Action is what a policy does with the requests that it matches.
type Action string

// The actions.
const (
	ActionAllow Action = "ALLOW"
	ActionDeny  Action = "DENY"
	ActionAudit Action = "AUDIT"
)

// PolicyConfig is one named policy.
type PolicyConfig struct {
	Name   string
	Action Action
	DryRun bool
	Rules  []RuleConfig
}

// RuleConfig matches if a source, an operation and every condition do; what is absent matches anything.
type RuleConfig struct {
	From []SourceConfig
	To   []operation.Operation
	When []ConditionConfig
}

// SourceConfig is who asks. Each field is nil if absent.
type SourceConfig struct {
	Principals, NotPrincipals               []match.String // "example.org/ns/shop/sa/backend"
	RequestPrincipals, NotRequestPrincipals []match.String // "https://idp.example/alice"
	Namespaces, NotNamespaces               []match.String
	ServiceAccounts, NotServiceAccounts     []match.String // "shop/backend" or "backend"
	TrustDomains, NotTrustDomains           []match.String
}

// ConditionConfig is a key that must have one of some values, and none of others, or a CEL expression that
// must be true.
type ConditionConfig struct {
	Key               Key
	Values, NotValues []match.String
	CEL               string
	Path              string // where it stands, for what only Compile can find wrong

	expression uint32 // compiled CEL
}

// Decode reads a configuration. The error is config.Mistakes.
func Decode(raw []byte) (*Config, error) {
	doc, root := config.Parse(raw)
	o := root.Object("mode", "defaultAction", "pathNormalization", "trustDomains", "trustDomainAliases", "identity",
		"claims", "remoteIP", "policies", "response", "audit")
	c := &Config{
		Mode:          decision.DecodeMode(o.Get("mode")),
		Default:       decision.Effect(o.Get("defaultAction").OneOf("deny", "deny", "allow")),
		Normalization: operation.DecodeNormalization(o.Get("pathNormalization")),
		Response:      decision.DecodeResponse(o.Get("response")),
		Audit:         decision.DecodeAudit(o.Get("audit")),
	}
	for _, n := range o.Get("trustDomains").NonEmptyList() {
		d := n.String("")
		if !spiffe.ValidTrustDomain(d) {
			n.Mistake("found \"" + d + "\", expected a trust domain such as \"example.org\"")
		}
		c.TrustDomains = append(c.TrustDomains, d)
	}
	o.Get("trustDomainAliases").Unsupported()
	decodeSource(o.Get("identity"), "tls", "from")
	decodeSource(o.Get("claims"), "jwt-filter", "metadataKey")
	o.Get("remoteIP").Object("trustedHops").Get("trustedHops").Int(0, 0, 0)

	names := map[string]bool{}
	for _, n := range o.Get("policies").List() {
		p := decodePolicy(n)
		if names[p.Name] && p.Name != "" {
			n.Mistake("a second policy named \"" + p.Name + "\"; names are what records and metrics go by")
		}
		names[p.Name] = true
		c.Policies = append(c.Policies, p)
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// decodeSource reads an object with a source of which this version has one.
func decodeSource(n config.Node, only, other string) {
	o := n.Object("source", other)
	if source := o.Get("source"); source.Present() && source.String("") != only {
		source.Mistake("found " + source.Raw() + ", expected \"" + only + "\"; others are not supported by this version of the filter")
	}
	o.Get(other).Unsupported()
}

func decodePolicy(n config.Node) PolicyConfig {
	o := n.Object("name", "action", "dryRun", "rules")
	p := PolicyConfig{
		Name:   o.Require("name", `"database-read"`).String(""),
		Action: Action(o.Get("action").OneOf(string(ActionAllow), string(ActionAllow), string(ActionDeny), string(ActionAudit))),
		DryRun: o.Get("dryRun").Bool(false),
	}
	for _, r := range o.Get("rules").List() {
		p.Rules = append(p.Rules, decodeRule(r))
	}
	return p
}

func decodeRule(n config.Node) RuleConfig {
	o := n.Object("from", "to", "when")
	var r RuleConfig
	for _, e := range o.Get("from").NonEmptyList() {
		from := e.Object("source")
		source := from.Require("source", `{"principals": ["example.org/ns/shop/sa/backend"]}`)
		s := decodeSourceFields(source)
		notEmpty(source)
		r.From = append(r.From, s)
	}
	for _, e := range o.Get("to").NonEmptyList() {
		to := e.Object("operation")
		op := to.Require("operation", `{"methods": ["GET"]}`)
		notEmpty(op)
		r.To = append(r.To, operation.Decode(op.Object(operation.Fields...)))
	}
	for _, e := range o.Get("when").NonEmptyList() {
		r.When = append(r.When, decodeCondition(e))
	}
	return r
}

// notEmpty refuses {}: it would match anything, where its author began to write a restriction.
func notEmpty(n config.Node) {
	if n.Present() && strings.TrimSpace(strings.Trim(n.Raw(), "{}")) == "" {
		n.Mistake("the object is empty; leave the whole entry out to match anything")
	}
}

func decodeSourceFields(n config.Node) SourceConfig {
	o := n.Object("principals", "notPrincipals", "requestPrincipals", "notRequestPrincipals", "namespaces", "notNamespaces",
		"serviceAccounts", "notServiceAccounts", "trustDomains", "notTrustDomains",
		"ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks")
	for _, name := range [...]string{"ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"} {
		o.Get(name).Unsupported()
	}
	return SourceConfig{
		Principals:           decodePrincipals(o.Get("principals")),
		NotPrincipals:        decodePrincipals(o.Get("notPrincipals")),
		RequestPrincipals:    decodeStrings(o.Get("requestPrincipals")),
		NotRequestPrincipals: decodeStrings(o.Get("notRequestPrincipals")),
		Namespaces:           decodeStrings(o.Get("namespaces")),
		NotNamespaces:        decodeStrings(o.Get("notNamespaces")),
		ServiceAccounts:      decodeStrings(o.Get("serviceAccounts")),
		NotServiceAccounts:   decodeStrings(o.Get("notServiceAccounts")),
		TrustDomains:         decodeStrings(o.Get("trustDomains")),
		NotTrustDomains:      decodeStrings(o.Get("notTrustDomains")),
	}
}

// decodePrincipals reads principals, with or without spiffe://.
func decodePrincipals(n config.Node) []match.String {
	var out []match.String
	for _, e := range n.NonEmptyList() {
		s := strings.TrimPrefix(e.String(""), spiffe.Scheme)
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

func decodeStrings(n config.Node) []match.String { return config.Compile(n, match.ParseString) }

func decodeCondition(n config.Node) ConditionConfig {
	o := n.Object("key", "values", "notValues", "cel")
	if cel := o.Get("cel"); cel.Present() {
		if o.Len() > 1 {
			n.Mistake("a condition is a key with values or notValues, or cel, not both")
		}
		return ConditionConfig{CEL: cel.String(""), Path: cel.Path()}
	}
	key := o.Require("key", `"request.auth.claims[scope]"`)
	var c ConditionConfig
	if !o.Get("values").Present() && !o.Get("notValues").Present() {
		n.Mistake("a condition has values or notValues")
	}
	if text := key.String(""); text != "" {
		var err error
		if c.Key, err = ParseKey(text); err != nil {
			key.Mistake("found \"" + text + "\": " + err.Error())
		}
	}
	decode := decodeStrings
	if c.Key.kind == keySourcePrincipal {
		decode = decodePrincipals // with or without spiffe://, as in a source
	}
	c.Values, c.NotValues = decode(o.Get("values")), decode(o.Get("notValues"))
	return c
}

func rulePath(i int) string { return "rules[" + strconv.Itoa(i) + "]" }
