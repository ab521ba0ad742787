package authz

import (
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/ipblock"
	"github.com/palisade-mesh/palisade/filters/match"
)

// Source is who asks: it matches if each of its fields does.
type Source struct {
	numbered
	fields []sourceField
}

// sourceField is one field: one of its values is needed, or with not none of them may be.
type sourceField struct {
	kind     sourceKind
	not      bool
	patterns []match.String
	blocks   []ipblock.Block
}

type sourceKind uint8

const (
	sourcePrincipals sourceKind = iota
	sourceNamespaces
	sourceServiceAccounts // "shop/backend" or "backend"
	sourceTrustDomains
	sourceRequestPrincipals // "https://idp.example/alice"
	sourceIPBlocks
	sourceRemoteIPBlocks
	sourceKinds
)

var sourceNames = [sourceKinds]string{"principals", "namespaces", "serviceAccounts", "trustDomains", "requestPrincipals",
	"ipBlocks", "remoteIpBlocks"}

// notSourceNames are the names of their not forms.
var notSourceNames = [sourceKinds]string{"notPrincipals", "notNamespaces", "notServiceAccounts", "notTrustDomains",
	"notRequestPrincipals", "notIpBlocks", "notRemoteIpBlocks"}

var sourceFieldNames = append(sourceNames[:sourceKinds:sourceKinds], notSourceNames[:]...)

func (d *decoder) source(n config.Node) *Source {
	notEmpty(n)
	o := n.Object(sourceFieldNames...)
	s := &Source{fields: make([]sourceField, 0, o.Len())}
	for kind, name := range sourceNames {
		for _, not := range [...]bool{false, true} {
			if not {
				name = notSourceNames[kind]
			}
			v := o.Get(name)
			if !v.Present() {
				continue
			}
			f := sourceField{kind: sourceKind(kind), not: not}
			switch f.kind {
			case sourcePrincipals:
				f.patterns = d.principals(v)
			case sourceTrustDomains:
				f.patterns = d.trustDomains(v)
			case sourceIPBlocks, sourceRemoteIPBlocks:
				f.blocks = config.Compile(v, ipblock.Parse)
			default:
				f.patterns = patterns(v)
			}
			s.fields = append(s.fields, f)
		}
	}
	return s
}

// match tries the fields in their order. met is how many held.
func (c *Source) match(s *subject, in intent) mismatch {
	m := mismatch{ok: true}
	for i := range c.fields {
		if m = m.and(c.fields[i].match(s, in)); !m.ok {
			return m
		}
		m.met++
	}
	return m
}

func (f *sourceField) match(s *subject, in intent) mismatch {
	found, is, err := f.is(s)
	switch {
	case err != nil:
		return unknown(f.name(), err, in)
	case is == f.not:
		return mismatch{part: f.name(), found: found, absent: found == ""}
	}
	return mismatch{ok: true}
}

func (f *sourceField) name() string {
	if f.not {
		return notSourceNames[f.kind]
	}
	return sourceNames[f.kind]
}

// is tells whether the request has one of the field's values. Nobody is none of them, as in Istio.
func (f *sourceField) is(s *subject) (found string, is bool, err error) {
	w := s.workload
	switch f.kind {
	case sourcePrincipals:
		return w.name, w.name != "" && match.Any(f.patterns, w.name), nil
	case sourceNamespaces:
		return w.namespace, w.namespace != "" && match.Any(f.patterns, w.namespace), nil
	case sourceServiceAccounts:
		is = w.account != "" && (match.Any(f.patterns, w.qualified) || match.Any(f.patterns, w.account))
		return w.qualified, is, nil
	case sourceTrustDomains:
		return w.trustDomain, w.trustDomain != "" && match.Any(f.patterns, w.trustDomain), nil
	case sourceRequestPrincipals:
		return s.isRequestPrincipal(f.patterns)
	case sourceIPBlocks:
		return s.isAddress(f.blocks, addressSource)
	}
	return s.isAddress(f.blocks, addressRemote)
}
