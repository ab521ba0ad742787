package authz

import (
	"slices"

	"github.com/palisade-mesh/palisade/filters/match"
)

// dimension finds rules by one kind of their parts.
type dimension struct {
	starts []uint32 // where in rules those of a part begin, by its number; one more for the end of the last
	rules  []uint32 // in the order of the configuration
	always []uint32 // parts that no index narrows down

	hits  []uint32 // parts that may match the request at hand
	total int      // how many rules have them
}

// post fills in the rules of each part.
func (d *dimension) post(r *ruleSet, parts int, of func(*indexed) []uint32) {
	d.starts = make([]uint32, parts+1)
	for i := range r.rules {
		for _, n := range of(&r.rules[i]) {
			d.starts[n+1]++
		}
	}
	for n := range parts {
		d.starts[n+1] += d.starts[n]
	}
	d.rules = make([]uint32, d.starts[parts])
	fill := slices.Clone(d.starts)
	for i := range r.rules {
		for _, n := range of(&r.rules[i]) {
			d.rules[fill[n]] = uint32(i)
			fill[n]++
		}
	}
}

// begin forgets what was found, and finds what is always to be tried.
func (d *dimension) begin(states []uint32, epoch uint32) {
	d.hits, d.total = d.hits[:0], 0
	d.hits = append(d.hits, d.always...)
	d.settle(0, states, epoch)
}

// settle marks the parts found since there were so many, and takes out those that are marked already.
func (d *dimension) settle(from int, states []uint32, epoch uint32) {
	kept := d.hits[:from]
	for _, n := range d.hits[from:] {
		if states[n]&^stateBits != epoch {
			states[n] = epoch
		}
		if states[n]&isCandidate == 0 {
			states[n] |= isCandidate
			kept = append(kept, n)
			d.total += int(d.starts[n+1] - d.starts[n])
		}
	}
	d.hits = kept
}

// sharing counts how many parts have a pattern, roughly: two patterns may fall together. It is only to choose by.
type sharing struct{ counts []uint32 }

const sharingSlots = 1 << 14

func (s *sharing) add(hash uint32) {
	if s.counts == nil {
		s.counts = make([]uint32, sharingSlots)
	}
	s.counts[hash%sharingSlots]++
}

func (s *sharing) by(hash uint32) int { return int(s.counts[hash%sharingSlots]) }

// sourceDimension finds sources by the most telling of their fields.
type sourceDimension struct {
	dimension
	indexes           [sourceIPBlocks]*match.Index // by kind; nil: no source goes by it
	requestPrincipals []uint32                     // the sources that go by it
}

func (d *sourceDimension) build(r *ruleSet) {
	d.post(r, len(r.sources.parts), r.from)
	var shared sharing
	for _, source := range r.sources.parts {
		for i := range source.fields {
			if f := &source.fields[i]; f.indexable() {
				for _, p := range f.patterns {
					shared.add(p.Hash() + uint32(f.kind))
				}
			}
		}
	}
	for n, source := range r.sources.parts {
		var telling *sourceField
		least := 0
		for i := range source.fields {
			f := &source.fields[i]
			if !f.indexable() {
				continue
			}
			others := 0
			for _, p := range f.patterns {
				others += shared.by(p.Hash() + uint32(f.kind))
			}
			if telling == nil || others < least {
				telling, least = f, others
			}
		}
		d.add(uint32(n), telling)
	}
}

func (f *sourceField) indexable() bool { return !f.not && f.kind < sourceIPBlocks }

func (d *sourceDimension) add(n uint32, f *sourceField) {
	if f == nil {
		d.always = append(d.always, n)
		return
	}
	if d.indexes[f.kind] == nil {
		d.indexes[f.kind] = &match.Index{}
	}
	for _, p := range f.patterns {
		d.indexes[f.kind].AddString(p, n)
	}
	if f.kind == sourceRequestPrincipals {
		d.requestPrincipals = append(d.requestPrincipals, n)
	}
}

// find finds the sources that may match.
func (d *sourceDimension) find(r *ruleSet, s *subject) {
	d.begin(r.sources.states, r.epoch)
	from := len(d.hits)
	w := s.workload
	d.look(sourcePrincipals, w.name)
	d.look(sourceNamespaces, w.namespace)
	d.look(sourceServiceAccounts, w.qualified)
	d.look(sourceServiceAccounts, w.account)
	d.look(sourceTrustDomains, w.trustDomain)
	if s.claims.Err != nil {
		d.hits = append(d.hits, d.requestPrincipals...) // any of them may match
	}
	for i := range s.claims.List {
		d.look(sourceRequestPrincipals, s.claims.List[i].Principal)
	}
	d.settle(from, r.sources.states, r.epoch)
}

func (d *sourceDimension) look(kind sourceKind, value string) {
	if x := d.indexes[kind]; x != nil && value != "" {
		d.hits = x.Append(d.hits, value)
	}
}

// operationDimension finds operations by path or host, whichever fewer others share.
type operationDimension struct {
	dimension
	paths, hosts match.Index
}

func (d *operationDimension) build(r *ruleSet) {
	d.post(r, len(r.operations.parts), r.to)
	var paths, hosts sharing
	patterns := 0
	for _, o := range r.operations.parts {
		for _, p := range o.Paths() {
			paths.add(p.Hash())
		}
		for _, h := range o.Hosts() {
			hosts.add(h.Hash())
		}
		patterns += len(o.Paths())
	}
	d.paths.Reserve(patterns)
	for n, o := range r.operations.parts {
		sharedPaths, sharedHosts := 0, 0
		for _, p := range o.Paths() {
			sharedPaths += paths.by(p.Hash())
		}
		for _, h := range o.Hosts() {
			sharedHosts += hosts.by(h.Hash())
		}
		switch {
		case o.Paths() != nil && (o.Hosts() == nil || sharedPaths <= sharedHosts):
			for _, p := range o.Paths() {
				d.paths.AddPath(p, uint32(n))
			}
		case o.Hosts() != nil:
			for _, h := range o.Hosts() {
				d.hosts.AddHost(h, uint32(n))
			}
		default:
			d.always = append(d.always, uint32(n))
		}
	}
}

// find finds the operations that may match.
func (d *operationDimension) find(r *ruleSet, s *subject) {
	d.begin(r.operations.states, r.epoch)
	from := len(d.hits)
	d.hits = d.paths.Append(d.hits, s.path)
	if s.other != "" {
		d.hits = d.paths.Append(d.hits, s.other)
	}
	d.hits = d.hosts.AppendHost(d.hits, s.request.Host())
	d.settle(from, r.operations.states, r.epoch)
}

// conditionDimension finds conditions by the exact values that they want. It has an index for each of the keys that
// most rules have; the rules without a condition on one of these come under the number after the last condition.
type conditionDimension struct {
	dimension
	keys  []keyIndex
	state []uint32
}

type keyIndex struct {
	key   *Key
	index match.Index
}

// maxKeys bounds the keys with an index: each costs a look at the request.
const maxKeys = 4

func (d *conditionDimension) build(r *ruleSet) {
	d.chooseKeys(r)
	if len(d.keys) == 0 {
		return
	}
	others := uint32(len(r.conditions.parts))
	one := make([]uint32, 1)
	d.post(r, len(r.conditions.parts)+1, func(e *indexed) []uint32 {
		one[0] = others
		for _, n := range r.when(e) {
			if d.index(r.conditions.parts[n]) != nil {
				one[0] = n
				break
			}
		}
		return one
	})
	for n, c := range r.conditions.parts {
		if x := d.index(c); x != nil {
			for _, v := range c.exact() {
				x.AddString(v, uint32(n))
			}
		}
	}
	d.always = []uint32{others}
	d.state = make([]uint32, len(r.conditions.parts)+1)
}

// chooseKeys finds the keys of which most rules want exact values.
func (d *conditionDimension) chooseKeys(r *ruleSet) {
	if len(r.rules) <= manyRules {
		return
	}
	type wanted struct {
		key   *Key
		count int
	}
	var keys []wanted
	for i := range r.rules {
		for _, n := range r.when(&r.rules[i]) {
			c := r.conditions.parts[n]
			if c.exact() == nil {
				continue
			}
			at := slices.IndexFunc(keys, func(w wanted) bool { return w.key.text == c.key.text })
			switch {
			case at >= 0:
				keys[at].count++
			case len(keys) < manyKeys:
				keys = append(keys, wanted{&c.key, 1})
			}
		}
	}
	slices.SortStableFunc(keys, func(a, b wanted) int { return b.count - a.count })
	for _, w := range keys[:min(maxKeys, len(keys))] {
		d.keys = append(d.keys, keyIndex{key: w.key})
	}
}

// manyKeys is how many keys are looked at to find those that most rules have.
const manyKeys = 64

// index is where a condition is to be found, nil if nowhere.
func (d *conditionDimension) index(c *Condition) *match.Index {
	if c.exact() == nil {
		return nil
	}
	for i := range d.keys {
		if d.keys[i].key.text == c.key.text {
			return &d.keys[i].index
		}
	}
	return nil
}

// find finds the conditions that may match. It tells whether the dimension is of use: not if a key cannot be
// evaluated, since its conditions are then as good as met to a DENY.
func (d *conditionDimension) find(r *ruleSet, s *subject) bool {
	if len(d.keys) == 0 {
		return false
	}
	d.begin(d.state, r.epoch)
	from := len(d.hits)
	for i := range d.keys {
		t := &s.tally
		*t = tally{index: &d.keys[i].index, hits: d.hits}
		err := s.values(d.keys[i].key, t)
		if d.hits = t.hits; err != nil {
			return false
		}
	}
	d.settle(from, d.state, r.epoch)
	return true
}
