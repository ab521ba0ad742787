package rbac

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Random makes up sets and requests; the same seed makes the same.
type Random struct{ *rand.Rand }

// NewRandom starts with a seed.
func NewRandom(seed uint64) Random { return Random{rand.New(rand.NewPCG(seed, 1))} }

// Set makes up a configuration.
func (r Random) Set() *Set {
	s := &Set{Response: Response{Explain: true}, Audit: Audit{Log: "off"}}
	if r.chance(10) {
		s.DefaultAction = "allow"
	}
	if r.chance(4) {
		s.TrustDomains = r.some(trusted)
	}
	for i := range 1 + r.IntN(4) {
		// Fewer policies deny, or nothing would be left to allow.
		action := r.of([]string{"ALLOW", "ALLOW", "DENY"})
		if r.chance(20) {
			action = "AUDIT"
		}
		p := Policy{Name: fmt.Sprintf("%s-%d", strings.ToLower(action), i), Action: action, DryRun: r.chance(15)}
		if !r.chance(25) {
			for range 1 + r.IntN(3) {
				p.Rules = append(p.Rules, r.rule(action))
			}
		}
		s.Policies = append(s.Policies, p)
	}
	return s
}

func (r Random) rule(action string) Rule {
	var rule Rule
	if r.chance(25) && action != "DENY" {
		return rule
	}
	if !r.chance(3) {
		for range 1 + r.IntN(3) {
			rule.From = append(rule.From, From{r.source()})
		}
	}
	if !r.chance(3) {
		for range 1 + r.IntN(3) {
			rule.To = append(rule.To, To{r.operation()})
		}
	}
	if r.chance(2) {
		for range 1 + r.IntN(2) {
			rule.When = append(rule.When, r.condition())
		}
	}
	return rule
}

func (r Random) source() Source {
	var s Source
	// Some fields, at least one, as an empty source is refused.
	for range 1 + r.IntN(2) {
		switch r.IntN(5) {
		case 0:
			r.field(&s.Principals, &s.NotPrincipals, principals)
		case 1:
			r.field(&s.Namespaces, &s.NotNamespaces, namespaces)
		case 2:
			r.field(&s.ServiceAccounts, &s.NotServiceAccounts, serviceAccounts)
		case 3:
			r.field(&s.TrustDomains, &s.NotTrustDomains, trustDomains)
		case 4:
			r.field(&s.IPBlocks, &s.NotIPBlocks, ipBlocks)
		}
	}
	return s
}

func (r Random) operation() Operation {
	var op Operation
	for range 1 + r.IntN(2) {
		switch r.IntN(4) {
		case 0:
			r.field(&op.Hosts, &op.NotHosts, hostPatterns)
		case 1:
			r.field(&op.Ports, &op.NotPorts, ports)
		case 2:
			r.field(&op.Methods, &op.NotMethods, methodPatterns)
		case 3:
			r.field(&op.Paths, &op.NotPaths, pathPatterns)
		}
	}
	return op
}

func (r Random) condition() Condition {
	var c Condition
	var forms []string
	switch r.IntN(7) {
	case 0:
		c.Key, forms = "source.principal", principals
	case 1:
		c.Key, forms = "source.namespace", namespaces
	case 2:
		c.Key, forms = "source.serviceAccount", qualified
	case 3:
		c.Key, forms = "connection.sni", sniPatterns
	case 4:
		c.Key, forms = "request.method", methodPatterns
	default:
		c.Key, forms = "request.headers["+r.of(headers)+"]", headerPatterns
	}
	r.field(&c.Values, &c.NotValues, forms)
	return c
}

// field sets a field, its not form, or both.
func (r Random) field(values, notValues *[]string, from []string) {
	switch r.IntN(6) {
	case 0:
		*values, *notValues = r.some(from), r.some(from)
	case 1, 2:
		*notValues = r.some(from)
	default:
		*values = r.some(from)
	}
}

func (r Random) of(from []string) string { return from[r.IntN(len(from))] }

// some are one or two of from.
func (r Random) some(from []string) []string {
	first, second := r.of(from), r.of(from)
	if first == second || r.chance(2) {
		return []string{first}
	}
	return []string{first, second}
}

// chance is true once in n.
func (r Random) chance(n int) bool { return r.IntN(n) == 0 }
