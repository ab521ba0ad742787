package authz

import "strconv"

// ruleSet are the rules of one action, indexed so that a request meets those that may match it, not all.
//
// Each distinct source, operation and condition has a number, and is tried at most once for a request however many
// rules have it. Two dimensions, who asks and what is asked for, each find the numbers that may match the request
// and the rules that have them; the one that finds fewer rules is walked, in the order of the configuration. If
// both find many, the conditions that want exact values are a third.
type ruleSet struct {
	policies []PolicyConfig
	intent   intent
	dryRun   bool // one of the policies is

	rules      []indexed
	refs       []uint32 // the numbers that the rules refer to: sources, operations, conditions
	sources    table[*Source]
	operations table[*Operation]
	conditions table[*Condition]

	who   sourceDimension
	what  operationDimension
	which conditionDimension

	epoch uint32 // of the request at hand
	walk  walk
}

// indexed is a rule as the index has it.
type indexed struct {
	policy, number uint32
	at             uint32 // in refs
	from, to, when uint32 // how many of each
}

// part is a source, an operation or a condition.
type part interface {
	match(s *subject, in intent) mismatch
	numberIn() *uint32
}

// numbered is a part's number in the rule set that is being built.
type numbered struct{ number uint32 }

func (n *numbered) numberIn() *uint32 { return &n.number }

const unnumbered = ^uint32(0)

// table are the distinct parts of one kind, with how each fared on the request at hand.
type table[P part] struct {
	parts  []P
	states []uint32 // an epoch and bits; of another epoch: not a candidate, nothing is known
}

func (t *table[P]) add(p P) {
	*p.numberIn() = uint32(len(t.parts))
	t.parts = append(t.parts, p)
}

// refer appends the numbers of parts, of which new ones get theirs.
func (t *table[P]) refer(refs []uint32, parts []P) []uint32 {
	for _, p := range parts {
		if *p.numberIn() == unnumbered {
			t.add(p)
		}
		refs = append(refs, *p.numberIn())
	}
	return refs
}

// try is how a part fares, tried at most once for a request.
func (t *table[P]) try(n uint32, s *subject, in intent) uint32 {
	state := &t.states[n]
	if *state&isKnown == 0 {
		*state |= isKnown | bits(t.parts[n].match(s, in))
	}
	return *state
}

// tryAny tries alternatives until one matches. One that is no candidate does not.
func (t *table[P]) tryAny(alternatives []uint32, s *subject, in intent, epoch uint32) (all uint32) {
	for _, n := range alternatives {
		if t.states[n]&^stateBits != epoch {
			continue
		}
		if all |= t.try(n, s, in); all&isMatch != 0 {
			break
		}
	}
	return all & stateBits
}

// forget takes away the numbers that parts have from another rule set.
func forget[P part](parts []P) {
	for _, p := range parts {
		*p.numberIn() = unnumbered
	}
}

// The bits of a state, below the epoch.
const (
	isCandidate uint32 = 1 << iota
	isKnown
	isMatch
	isNear
	epochStep

	stateBits = epochStep - 1
)

// anything is the number of the source and the operation of rules that have none.
const anything = 0

func newRuleSet(policies []PolicyConfig, action Action) *ruleSet {
	r := &ruleSet{policies: policies, intent: intent(action != ActionAllow)}
	r.reserve(action)
	r.sources.add(&Source{})
	r.operations.add(&Operation{})
	for i := range policies {
		if policies[i].Action != action {
			continue
		}
		r.dryRun = r.dryRun || policies[i].DryRun && len(policies[i].Rules) > 0
		for j := range policies[i].Rules {
			r.add(uint32(i), uint32(j), &policies[i].Rules[j])
		}
	}
	r.sources.states = make([]uint32, len(r.sources.parts))
	r.operations.states = make([]uint32, len(r.operations.parts))
	r.conditions.states = make([]uint32, len(r.conditions.parts))
	r.who.build(r)
	r.what.build(r)
	r.which.build(r)
	return r
}

// reserve makes room at once, which growing would leave twice as much of behind, and takes away the numbers that the
// parts have from another rule set.
func (r *ruleSet) reserve(action Action) {
	rules, sources, operations, conditions := 0, 1, 1, 0
	alternatives := 0
	for i := range r.policies {
		if r.policies[i].Action != action {
			continue
		}
		rules += len(r.policies[i].Rules)
		for j := range r.policies[i].Rules {
			rule := &r.policies[i].Rules[j]
			forget(rule.From)
			forget(rule.To)
			forget(rule.When)
			alternatives += max(len(rule.From), 1) + max(len(rule.To), 1)
			sources, operations, conditions = sources+len(rule.From), operations+len(rule.To), conditions+len(rule.When)
		}
	}
	r.rules, r.refs = make([]indexed, 0, rules), make([]uint32, 0, alternatives+conditions)
	r.sources.parts = make([]*Source, 0, sources)
	r.operations.parts = make([]*Operation, 0, operations)
	r.conditions.parts = make([]*Condition, 0, conditions)
}

func (r *ruleSet) add(policy, index uint32, rule *RuleConfig) {
	e := indexed{policy: policy, number: index, at: uint32(len(r.refs))}
	if len(rule.From) == 0 {
		r.refs = append(r.refs, anything)
	}
	r.refs = r.sources.refer(r.refs, rule.From)
	e.from = uint32(len(r.refs)) - e.at
	if len(rule.To) == 0 {
		r.refs = append(r.refs, anything)
	}
	r.refs = r.operations.refer(r.refs, rule.To)
	e.to = uint32(len(r.refs)) - e.at - e.from
	r.refs = r.conditions.refer(r.refs, rule.When)
	e.when = uint32(len(rule.When))
	r.rules = append(r.rules, e)
}

func (r *ruleSet) from(e *indexed) []uint32 { return r.refs[e.at:][:e.from] }
func (r *ruleSet) to(e *indexed) []uint32   { return r.refs[e.at+e.from:][:e.to] }
func (r *ruleSet) when(e *indexed) []uint32 { return r.refs[e.at+e.from+e.to:][:e.when] }

// found is a rule with the policy that it belongs to; rule is nil for none.
type found struct {
	policy *PolicyConfig
	rule   *RuleConfig
	path   string // "rules[0]"
}

func (r *ruleSet) found(n uint32) found {
	e := &r.rules[n]
	policy := &r.policies[e.policy]
	return found{policy: policy, rule: &policy.Rules[e.number], path: rulePath(e.number)}
}

// rulePaths are the paths of the rules that policies usually have, so that naming one costs nothing.
var rulePaths = func() (paths [64]string) {
	for i := range paths {
		paths[i] = "rules[" + strconv.Itoa(i) + "]"
	}
	return paths
}()

func rulePath(n uint32) string {
	if n < uint32(len(rulePaths)) {
		return rulePaths[n]
	}
	return "rules[" + strconv.Itoa(int(n)) + "]"
}

func (r *ruleSet) isDryRun(e *indexed) bool { return r.dryRun && r.policies[e.policy].DryRun }

// first is the first rule of an enforced policy that matches, and the first of any policy.
func (r *ruleSet) first(s *subject) (enforced, shadow found) {
	if len(r.rules) == 0 {
		return
	}
	r.begin(s)
	r.start(s, true)
	for r.walk.next() {
		e := &r.rules[r.walk.rule]
		dryRun := r.isDryRun(e)
		if dryRun && shadow.rule != nil || !r.matches(s, e) {
			continue
		}
		if shadow.rule == nil {
			shadow = r.found(r.walk.rule)
		}
		if !dryRun {
			return r.found(r.walk.rule), shadow
		}
	}
	return found{}, shadow
}

// all are the first matching rules of every policy that has one.
func (r *ruleSet) all(s *subject) (matches []Match) {
	if len(r.rules) == 0 {
		return nil
	}
	r.begin(s)
	last := ^uint32(0)
	r.start(s, true)
	for r.walk.next() {
		e := &r.rules[r.walk.rule]
		if e.policy != last && r.matches(s, e) {
			last = e.policy
			f := r.found(r.walk.rule)
			matches = append(matches, Match{Policy: f.policy.Name, Rule: f.path, DryRun: f.policy.DryRun})
		}
	}
	return matches
}

// nearest is the rule that comes nearest to matching, after first has found none; with shadow also one of a policy
// in dry-run. First comes the rule whose source and operation match, by how many of its conditions hold before one
// fails; then one whose source matches, and whose path and host do; then one whose operation matches; then one
// whose source does; then any. Of equals it is the first.
func (r *ruleSet) nearest(s *subject, shadow bool) found {
	best, near := uint32(0), none
	r.start(s, false)
	for r.walk.next() {
		e := &r.rules[r.walk.rule]
		if r.isDryRun(e) && !shadow || r.tryFrom(s, e)&isMatch == 0 {
			continue
		}
		rank := uint32(0)
		switch to := r.tryTo(s, e); {
		case to&isMatch != 0:
			rank = 2 + r.conditionsMet(s, e)
		case to&isNear != 0:
			rank = 1
		}
		if rank > best {
			best, near = rank, r.walk.rule
		}
	}
	if near == none {
		near = r.nearestByOne(s, shadow)
	}
	if near == none {
		return found{}
	}
	return r.found(near)
}

const none = ^uint32(0)

func (r *ruleSet) nearestByOne(s *subject, shadow bool) uint32 {
	r.walk.start(&r.what.dimension)
	for r.walk.next() {
		e := &r.rules[r.walk.rule]
		if (!r.isDryRun(e) || shadow) && r.tryTo(s, e)&isMatch != 0 {
			return r.walk.rule
		}
	}
	r.walk.start(&r.who.dimension)
	for r.walk.next() {
		e := &r.rules[r.walk.rule]
		if (!r.isDryRun(e) || shadow) && r.tryFrom(s, e)&isMatch != 0 {
			return r.walk.rule
		}
	}
	for n := range r.rules {
		if shadow || !r.isDryRun(&r.rules[n]) {
			return uint32(n)
		}
	}
	return none
}

// begin forgets how the parts fared on the last request, and finds those that may match this one.
func (r *ruleSet) begin(s *subject) {
	r.epoch += epochStep
	if r.epoch == 0 { // so many requests that the epochs begin again
		clear(r.sources.states)
		clear(r.operations.states)
		clear(r.conditions.states)
		clear(r.which.state)
		r.epoch = epochStep
	}
	r.who.find(r, s)
	r.what.find(r, s)
}

// manyRules is from how many candidates on the conditions are looked at, which costs a look at claims or headers.
const manyRules = 16

// start begins a walk over the rules that may match, or, without narrow, over those whose source and operation may.
func (r *ruleSet) start(s *subject, narrow bool) {
	d := &r.who.dimension
	if r.what.total < d.total {
		d = &r.what.dimension
	}
	if narrow && d.total > manyRules && r.which.find(r, s) && r.which.total < d.total {
		d = &r.which.dimension
	}
	r.walk.start(d)
}

// matches tells whether a rule matches.
func (r *ruleSet) matches(s *subject, e *indexed) bool {
	return r.tryTo(s, e)&isMatch != 0 && r.tryFrom(s, e)&isMatch != 0 && r.conditionsMet(s, e) == e.when
}

// tryFrom tries a rule's sources until one matches.
func (r *ruleSet) tryFrom(s *subject, e *indexed) uint32 {
	return r.sources.tryAny(r.from(e), s, r.intent, r.epoch)
}

// tryTo does the same for its operations.
func (r *ruleSet) tryTo(s *subject, e *indexed) uint32 {
	return r.operations.tryAny(r.to(e), s, r.intent, r.epoch)
}

// conditionsMet is how many of a rule's conditions hold before the first that does not.
func (r *ruleSet) conditionsMet(s *subject, e *indexed) uint32 {
	for i, n := range r.when(e) {
		if state := &r.conditions.states[n]; *state&^stateBits != r.epoch {
			*state = r.epoch
		}
		if r.conditions.try(n, s, r.intent)&isMatch == 0 {
			return uint32(i)
		}
	}
	return e.when
}

func bits(m mismatch) (bits uint32) {
	if m.ok {
		bits |= isMatch
	}
	if m.near {
		bits |= isNear
	}
	return bits
}
