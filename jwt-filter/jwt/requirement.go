package jwt

import (
	"strings"

	"github.com/palisade-mesh/palisade/filters/config"
)

// Requirement is what a rule demands: a tree over providers.
type Requirement struct {
	op       requirementOp
	provider int // index in Config.Providers, for requireProvider
	children []Requirement
}

type requirementOp uint8

const (
	requireNone       requirementOp = iota
	requireProvider                 // a valid token of one provider
	requireAny                      // one of the children
	requireAll                      // each of the children
	requireOptional                 // the child, or no token
	requirePermissive               // anything; the child's tokens are used only if it is met
)

// maxProviders is how many bits a providerSet has.
const maxProviders = 64

// providerSet has a bit for each provider of the configuration.
type providerSet uint64

func (s providerSet) has(i int) bool { return s&(1<<i) != 0 }

// outcome is what the tokens of a request come to, by provider.
type outcome struct {
	valid     providerSet // has a valid token
	invalid   providerSet // was offered a token that nobody accepts
	undecided providerSet // was offered a token of which that cannot be told
}

type verdict uint8

const (
	met verdict = iota
	missing
	undecided
	invalid
)

// evaluate says whether the requirement is met. used are the providers whose claims the request then
// carries: a permissive child's, for one, only if the child is met.
func (q *Requirement) evaluate(o outcome) (v verdict, used providerSet) {
	switch q.op {
	case requireProvider:
		switch {
		case o.invalid.has(q.provider):
			return invalid, 0
		case o.undecided.has(q.provider):
			return undecided, 0
		case o.valid.has(q.provider):
			return met, 1 << q.provider
		}
		return missing, 0
	case requireAny, requireAll:
		anyMet, allMet, open := false, true, false
		for i := range q.children {
			cv, cu := q.children[i].evaluate(o)
			switch cv {
			case invalid:
				return invalid, 0 // several tokens in one request must all be valid
			case met:
				anyMet = true
				used |= cu
			case undecided:
				open = true
			default:
				allMet = false
			}
		}
		switch {
		case open:
			return undecided, 0
		case q.op == requireAny && anyMet || q.op == requireAll && allMet:
			return met, used
		}
		return missing, 0
	case requireOptional:
		v, used = q.children[0].evaluate(o)
		if v == missing && (o.valid|o.invalid|o.undecided)&q.children[0].providers() == 0 {
			v = met
		}
		return v, used
	case requirePermissive:
		if v, used = q.children[0].evaluate(o); v != met {
			used = 0
		}
		return met, used
	}
	return met, 0 // requireNone
}

// providers are all that the requirement names.
func (q *Requirement) providers() providerSet {
	if q.op == requireProvider {
		return 1 << q.provider
	}
	var s providerSet
	for i := range q.children {
		s |= q.children[i].providers()
	}
	return s
}

// anyProvider is what holds where no rule matches: a valid token of any provider.
func anyProvider(n int) Requirement {
	q := Requirement{op: requireAny}
	for i := range n {
		q.children = append(q.children, Requirement{op: requireProvider, provider: i})
	}
	return q
}

func (c *Config) decodeRequirement(n config.Node, depth int) Requirement {
	o := n.Object("none", "provider", "any", "all", "optional", "permissive")
	if !n.Present() {
		return Requirement{}
	}
	if depth > maxRequire {
		n.Mistake("requirements are nested too deeply")
		return Requirement{}
	}
	var forms []string
	for _, name := range [...]string{"none", "provider", "any", "all", "optional", "permissive"} {
		if o.Get(name).Present() {
			forms = append(forms, name)
		}
	}
	if len(forms) != 1 {
		found := "none of them"
		if len(forms) > 1 {
			found = strings.Join(forms, " and ")
		}
		n.Mistake("found " + found + ", expected exactly one of none, provider, any, all, optional, permissive")
		return Requirement{}
	}
	value := o.Get(forms[0])
	switch forms[0] {
	case "provider":
		return Requirement{op: requireProvider, provider: c.providerIndex(value)}
	case "any":
		return Requirement{op: requireAny, children: c.decodeRequirements(value, depth)}
	case "all":
		return Requirement{op: requireAll, children: c.decodeRequirements(value, depth)}
	case "optional":
		return Requirement{op: requireOptional, children: []Requirement{c.decodeRequirement(value, depth+1)}}
	case "permissive":
		return Requirement{op: requirePermissive, children: []Requirement{c.decodeRequirement(value, depth+1)}}
	}
	if !value.Bool(true) {
		value.Mistake("none is true, or left out")
	}
	return Requirement{op: requireNone}
}

func (c *Config) decodeRequirements(n config.Node, depth int) []Requirement {
	var out []Requirement
	for _, e := range n.NonEmptyList() {
		out = append(out, c.decodeRequirement(e, depth+1))
	}
	return out
}

func (c *Config) providerIndex(n config.Node) int {
	name := n.String("")
	names := make([]string, len(c.Providers))
	for i := range c.Providers {
		if names[i] = c.Providers[i].Name; names[i] == name {
			return i
		}
	}
	n.OneOf("", names...)
	return 0
}
