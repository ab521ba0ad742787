package authz

import (
	"slices"
	"strings"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/identity"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/filters/spiffe"
)

// IdentityConfig is how workloads are told apart.
type IdentityConfig struct {
	TrustDomains []string // nil: any
	Aliases      Aliases
	Resolver     identity.Resolver
}

// Aliases are former names of trust domains, each with the name that counts now.
type Aliases []Alias

// Alias is one.
type Alias struct{ Old, New string }

// domain is the name that counts.
func (a Aliases) domain(name string) string {
	for i := range a {
		if a[i].Old == name {
			return a[i].New
		}
	}
	return name
}

// pattern is a principal's pattern with the name that counts, so that policies which still have the former one
// go on to work.
func (a Aliases) pattern(text string) string {
	if domain, path, ok := strings.Cut(text, "/"); ok {
		if now := a.domain(domain); now != domain {
			return now + "/" + path
		}
	}
	return text
}

// decodeIdentity reads trustDomains, trustDomainAliases and identity.
func decodeIdentity(o *config.Object) IdentityConfig {
	var c IdentityConfig
	for _, n := range o.Get("trustDomains").NonEmptyList() {
		c.TrustDomains = append(c.TrustDomains, decodeTrustDomain(n))
	}
	aliases := o.Get("trustDomainAliases").Members()
	for _, m := range aliases {
		if !spiffe.ValidTrustDomain(m.Name) {
			m.Node.Mistake("found the name \"" + m.Name + "\", expected a trust domain such as \"old.example\"")
		}
		c.Aliases = append(c.Aliases, Alias{Old: m.Name, New: decodeTrustDomain(m.Node)})
	}
	for i, a := range c.Aliases {
		if now := a.New; c.Aliases.domain(now) != now {
			aliases[i].Node.Mistake("found \"" + now + "\", which is an alias itself; name the trust domain that it stands for")
		}
	}

	c.Resolver = identity.Decode(o.Get("identity"))
	return c
}

func decodeTrustDomain(n config.Node) string {
	d := n.String("")
	if !spiffe.ValidTrustDomain(d) {
		n.Mistake("found \"" + d + "\", expected a trust domain such as \"example.org\"")
	}
	return d
}

// trustDomains reads a source's trust domains, by the names that count.
func (d *decoder) trustDomains(n config.Node) []match.String {
	return config.Compile(n, func(text string) (match.String, error) { return match.ParseString(d.aliases.domain(text)) })
}

// workload is who asks, in all the forms that rules go by. All are "" for nobody.
type workload struct {
	id          spiffe.ID // as the certificate has it
	name        string    // "example.org/ns/shop/sa/backend", by the trust domain's name that counts
	trustDomain string
	namespace   string // "shop", if the path has Istio's form
	account     string // "backend"
	qualified   string // "shop/backend"
}

// workloads makes a workload of an ID, and remembers some: it is the same few that ask again and again.
type workloads struct {
	config   *IdentityConfig
	resolver identity.Resolver
	known    [workloadSlots]workload
}

const workloadSlots = 64

func newWorkloads(c *IdentityConfig) *workloads {
	return &workloads{config: c, resolver: c.Resolver}
}

// of finds out who sent a request. The result is to be read until the next call.
func (w *workloads) of(r *request.Request) (*workload, error) {
	id, err := w.resolver.Workload(r)
	if err != nil {
		return nil, err
	}
	slot := &w.known[match.Spread(id.Name())%workloadSlots]
	if slot.id != id {
		*slot = w.make(id.Clone())
	}
	return slot, nil
}

func (w *workloads) make(id spiffe.ID) workload {
	if id.IsZero() {
		return workload{}
	}
	now := id
	if domain := w.config.Aliases.domain(id.TrustDomain()); domain != id.TrustDomain() {
		now = id.WithTrustDomain(domain)
	}
	if w.config.TrustDomains != nil && !slices.Contains(w.config.TrustDomains, now.TrustDomain()) {
		return workload{id: id} // vouched for by somebody who is not trusted to: nobody
	}
	found := workload{id: id, name: now.Name(), trustDomain: now.TrustDomain()}
	if namespace, account, ok := now.ServiceAccount(); ok {
		found.namespace, found.account, found.qualified = namespace, account, namespace+"/"+account
	}
	return found
}
