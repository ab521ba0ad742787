package authz

import (
	"slices"
	"strings"

	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/clientip"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/identity"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/operation"
)

// Config is an authz-filter configuration as its author wrote it, decoded and checked.
type Config struct {
	Mode          decision.Mode
	Default       decision.Effect
	Normalization match.Normalization
	Identity      IdentityConfig
	Claims        claimset.Config
	TrustedHops   int
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

// RuleConfig matches if a source, an operation and every condition do; what is absent matches anything. What
// is written alike in many rules is one value that they share.
type RuleConfig struct {
	From []*Source
	To   []*Operation
	When []*Condition
}

// Decode reads a configuration. The error is config.Mistakes.
func Decode(raw []byte) (*Config, error) { return config.Decode(raw, DecodeNode) }

// DecodeNode reads a configuration that is a part of a document, which is told of mistakes.
func DecodeNode(n config.Node) *Config {
	o := n.Object("mode", "defaultAction", "pathNormalization", "trustDomains", "trustDomainAliases", "identity",
		"claims", "remoteIP", "policies", "response", "audit")
	c := &Config{
		Mode:          decision.DecodeMode(o.Get("mode")),
		Default:       decision.Effect(o.Get("defaultAction").OneOf("deny", "deny", "allow")),
		Normalization: operation.DecodeNormalization(o.Get("pathNormalization")),
		Identity:      decodeIdentity(o),
		Claims:        claimset.Decode(o.Get("claims")),
		TrustedHops:   clientip.DecodeTrustedHops(o.Get("remoteIP")),
		Response:      decision.DecodeResponse(o.Get("response")),
		Audit:         decision.DecodeAudit(o.Get("audit")),
	}
	d := decoder{aliases: c.Identity.Aliases, level: c.Normalization}
	policies := o.Get("policies").List()
	c.Policies = make([]PolicyConfig, 0, len(policies))
	for _, n := range policies {
		c.Policies = append(c.Policies, d.policy(n))
	}
	distinctNames(c.Policies, policies)
	return c
}

// distinctNames refuses a second policy of a name.
func distinctNames(policies []PolicyConfig, nodes []config.Node) {
	order := make([]int, len(policies))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(policies[a].Name, policies[b].Name) })
	for i := 1; i < len(order); i++ {
		if name := policies[order[i]].Name; name != "" && name == policies[order[i-1]].Name {
			nodes[order[i]].Mistake("a second policy named \"" + name + "\"; names are what records and metrics go by")
		}
	}
}

func alternatives[T any](n int) []*T {
	if n == 0 {
		return nil
	}
	return make([]*T, 0, n)
}

// decoder reads policies, and what is written alike mostly only once.
type decoder struct {
	aliases    Aliases
	level      match.Normalization
	sources    seen[Source]
	operations seen[Operation]
	conditions seen[Condition]
}

// seen are some of the parts that were decoded, by their text: a later one may take the place of another.
type seen[T any] struct{ slots []slot[T] }

type slot[T any] struct {
	text string
	part *T
}

const seenSlots = 1 << 12

func (d *decoder) policy(n config.Node) PolicyConfig {
	o := n.Object("name", "action", "dryRun", "rules")
	p := PolicyConfig{
		Name:   o.Require("name", `"database-read"`).String(""),
		Action: Action(o.Get("action").OneOf(string(ActionAllow), string(ActionAllow), string(ActionDeny), string(ActionAudit))),
		DryRun: o.Get("dryRun").Bool(false),
	}
	if rules := o.Get("rules").List(); rules != nil {
		p.Rules = make([]RuleConfig, len(rules))
		for i, r := range rules {
			d.rule(r, &p.Rules[i])
		}
	}
	return p
}

func (d *decoder) rule(n config.Node, r *RuleConfig) {
	o := n.Object("from", "to", "when")
	from, to, when := o.Get("from").NonEmptyList(), o.Get("to").NonEmptyList(), o.Get("when").NonEmptyList()
	r.From, r.To, r.When = alternatives[Source](len(from)), alternatives[Operation](len(to)), alternatives[Condition](len(when))
	for _, e := range from {
		n := e.Object("source").Require("source", `{"principals": ["example.org/ns/shop/sa/backend"]}`)
		r.From = append(r.From, once(&d.sources, n, d.source))
	}
	for _, e := range to {
		n := e.Object("operation").Require("operation", `{"methods": ["GET"]}`)
		r.To = append(r.To, once(&d.operations, n, d.operation))
	}
	for _, e := range when {
		r.When = append(r.When, once(&d.conditions, e, d.condition))
	}
}

// once decodes a value, or gives what was decoded of one that is written alike. A text with a mistake in it is
// decoded again, so that each place of it is told.
func once[T any](s *seen[T], n config.Node, decode func(config.Node) *T) *T {
	if s.slots == nil {
		s.slots = make([]slot[T], seenSlots)
	}
	slot := &s.slots[match.Spread(n.Raw())%seenSlots]
	if slot.part != nil && slot.text == n.Raw() {
		return slot.part
	}
	before := n.Mistakes()
	part := decode(n)
	if n.Mistakes() == before {
		slot.text, slot.part = n.Raw(), part
	}
	return part
}

func (d *decoder) operation(n config.Node) *Operation {
	notEmpty(n)
	o := &Operation{}
	o.Decode(n.Object(operation.Fields...), d.level)
	return o
}

// notEmpty refuses {}: it would match anything, where its author began to write a restriction.
func notEmpty(n config.Node) {
	if n.Present() && strings.TrimSpace(strings.Trim(n.Raw(), "{}")) == "" {
		n.Mistake("the object is empty; leave the whole entry out to match anything")
	}
}

// principals reads principals, with or without spiffe://.
func (d *decoder) principals(n config.Node) []match.String {
	return identity.DecodePrincipals(n, d.aliases.pattern)
}

func patterns(n config.Node) []match.String { return config.Compile(n, match.ParseString) }
