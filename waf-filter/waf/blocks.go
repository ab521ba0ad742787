package waf

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/palisade-mesh/palisade/waf-filter/screen"
)

// leastBlock is how many rules are worth to be led past together.
const leastBlock = 4

// firstScreenID is the id of the first rule that leads past others. Nobody has ids there: they are to fit 31 bits.
const firstScreenID = 2_147_000_000

var errNotForRules = errors.New("this operator is not for rules")

// A planner finds the blocks in a list of directives.
type planner struct {
	list  []directive
	gates bool // the rules that leave out those of higher paranoia levels are as the Core Rule Set has them
	// highest is the highest paranoia level that there may be. Rules beyond it are left out, and what changes them.
	highest int
	leftOut map[int]bool
	builder screen.Builder

	s      *screening
	pieces []piece
	// file, and the level from which on what is in it is reached, by phase, and the marker up to which that holds.
	file   string
	level  [lastPhase + 1]int
	marker [lastPhase + 1]string
}

// piece is a few directives that belong together.
type piece struct {
	directives []directive
	before     []directive // that are put there
	behind     []directive
	what       pieceKind
	rule       int    // index in screening.rules
	phase      int    // of a gate
	phases     phases // in which something unknown may do anything
	marker     string // that is here, or that a gate leads to
}

type pieceKind uint8

const (
	unknown pieceKind = iota // it may do anything, in its phases
	idle                     // it does nothing
	rule                     // it does nothing unless it matches
	gate                     // it leads past others, and does nothing else
	marker
)

// phases is a set of phases.
type phases uint8

const allPhases phases = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5

func (p phases) has(phase int) bool { return p>>phase&1 != 0 }

// addScreening puts rules into a list of directives that lead the engine past rules of the Core Rule Set that do not match. It is
// nil if nothing can be.
func addScreening(list []directive) ([]directive, *screening) {
	p := planner{list: list, leftOut: map[int]bool{}, s: &screening{}}
	if !p.readChanges() {
		return list, nil
	}
	for i := 0; i < len(list); {
		n := p.length(i)
		p.read(list[i : i+n])
		i += n
	}
	for phase := 1; phase <= 5; phase++ {
		p.plan(phase)
	}
	if len(p.s.blocks) == 0 || !p.finish() {
		return list, nil
	}
	out := make([]directive, 0, len(list)+2*len(p.s.blocks))
	for i := range p.pieces {
		x := &p.pieces[i]
		out = append(append(append(out, x.before...), x.directives...), x.behind...)
	}
	return out, p.s
}

// length is of how many directives a rule is: itself, and those that are chained to it.
func (p *planner) length(i int) int {
	n := 1
	for ; i+n <= len(p.list); n++ {
		text, isRule := readRule(&p.list[i+n-1])
		if !isRule || !slices.ContainsFunc(text.actions, isChain) {
			break
		}
	}
	return min(n, len(p.list)-i)
}

func isChain(action string) bool {
	name, _ := readAction(action)
	return name == "chain"
}

// read reads the directives of one piece.
func (p *planner) read(directives []directive) {
	x := piece{directives: directives, phases: allPhases}
	d := &directives[0]
	if d.file != p.file { // a gate holds within its file
		p.file, p.level, p.marker = d.file, [lastPhase + 1]int{}, [lastPhase + 1]string{}
	}
	text, isRule := readRule(d)
	switch {
	case d.is("SecRuleUpdateTargetById") && p.leftOut[updated(d)]:
		return
	case !strings.HasPrefix(d.file, crs):
	case isRule && p.gates && p.isBeyond(&text):
		p.leftOut[text.id] = true
		return
	case d.is("SecMarker"):
		x.what, x.marker = marker, strings.Trim(d.options(), `"'`)
		p.closeGates(x.marker)
	case d.is("SecComponentSignature"):
		x.what = idle
	case isRule && len(directives) == 1 && p.readGate(&text):
		x.what, x.phase, x.marker = gate, text.phase, p.marker[text.phase]
	case isRule && p.readRule(&text):
		x.what, x.rule = rule, len(p.s.rules)-1
	case isRule:
		x.phases = phasesOf(&text, len(directives) > 1)
	}
	p.pieces = append(p.pieces, x)
}

// isBeyond tells whether a rule is behind gates that are never open. Gates that follow are, too.
func (p *planner) isBeyond(text *ruleText) bool {
	return slices.Contains(screenedPhases[:], text.phase) && p.levelIn(text.phase) > p.highest
}

// levelIn is the level from which on a rule of a phase is reached that is read now. One of the second may be evaluated in the first.
func (p *planner) levelIn(phase int) int {
	if phase <= 2 {
		return min(p.level[1], p.level[2])
	}
	return p.level[phase]
}

func (p *planner) readRule(text *ruleText) bool {
	r, ok := readScreenable(text, &p.builder)
	if !ok || len(p.s.rules) >= 1<<15 {
		return false
	}
	if p.gates {
		r.level = p.levelIn(r.phase)
	}
	p.s.rules = append(p.s.rules, r)
	return true
}

// readGate reads a rule that leads past those of higher paranoia levels, and does nothing else.
func (p *planner) readGate(text *ruleText) bool {
	limit, ok := strings.CutPrefix(text.operator, "@lt ")
	level, err := strconv.Atoi(limit)
	if text.variables != "TX:DETECTION_PARANOIA_LEVEL" || !ok || err != nil || text.phase < 1 || text.phase > lastPhase {
		return false
	}
	to := ""
	for _, action := range text.actions {
		switch name, value := readAction(action); name {
		case "id", "phase", "pass", "nolog", "tag", "ver":
		case "skipafter":
			to = value
		default:
			return false
		}
	}
	if to == "" || p.marker[text.phase] != "" && p.marker[text.phase] != to {
		return false
	}
	p.level[text.phase], p.marker[text.phase] = level, to
	return true
}

func (p *planner) closeGates(name string) {
	for phase := range p.marker {
		if p.marker[phase] == name {
			p.level[phase], p.marker[phase] = 0, ""
		}
	}
}

// plan finds the runs of pieces that the engine may be led past in a phase.
func (p *planner) plan(phase int) {
	start := 0
	for i := range p.pieces {
		if p.breaks(&p.pieces[i], phase) {
			p.planRun(phase, start, i)
			start = i + 1
		}
	}
	p.planRun(phase, start, len(p.pieces))
}

// breaks tells whether the engine has to come by a piece in a phase.
func (p *planner) breaks(x *piece, phase int) bool {
	switch x.what {
	case idle, marker, gate:
		return false
	case rule:
		r := &p.s.rules[x.rule]
		return r.opaque && r.level <= 1 && r.isEvaluatedIn(phase)
	}
	return x.phases.has(phase)
}

// phasesOf are the phases in which the engine may evaluate a rule.
func phasesOf(text *ruleText, chained bool) phases {
	if text.phase < 1 || text.phase > 5 {
		return allPhases
	}
	list := phases(1 << text.phase)
	if !multiphase || text.variables == "" && !chained {
		return list
	}
	if chained {
		list = 1<<(text.phase+1) - 2 // up to its own
	}
	for _, word := range strings.Split(text.variables, "|") {
		name, _, _ := strings.Cut(strings.TrimLeft(word, "&!"), ":")
		v, err := variables.Parse(name)
		phase, known := places[v]
		if !known {
			phase, known = otherPlaces[v]
		}
		if err != nil || !known {
			return allPhases
		}
		if phase > 0 {
			list |= 1 << phase
		}
	}
	return list
}

// otherPlaces are the phases from which on other variables are there; 0: any, which leaves a rule in its own.
var otherPlaces = map[variables.RuleVariable]int{
	variables.TX: 0, variables.ReqbodyProcessor: 0, variables.RequestMethod: 1, variables.RequestProtocol: 1, variables.RemoteAddr: 1,
	variables.UniqueID: 1, variables.ArgsCombinedSize: 1, variables.RequestBodyLength: 2, variables.ReqbodyError: 2, variables.FilesCombinedSize: 2,
	variables.FilesSizes: 2, variables.ResponseStatus: 3, variables.ResponseHeaders: 3,
}

// planRun makes a block of the pieces from start to end, and one within it of each file. A gate that leads past what is
// behind a run has to be evaluated, so the run ends before it.
func (p *planner) planRun(phase, start, end int) {
	if i := p.openGate(phase, start, end); i >= 0 {
		p.planRun(phase, start, i)
		p.planRun(phase, i+1, end)
		return
	}
	start, end = p.trim(phase, start, end)
	rules, markers := p.countRules(phase, start, end), p.countMarkers(start, end)
	if rules+markers < leastBlock || rules < leastBlock && p.pieces[end-1].what != marker {
		return
	}
	p.addBlock(phase, start, end)
	for i := start; i < end; {
		next := i
		for next < end && p.pieces[next].directives[0].file == p.pieces[i].directives[0].file {
			next++
		}
		if (i > start || next < end) && p.countRules(phase, i, next) >= leastBlock && p.openGate(phase, i, next) < 0 {
			p.addBlock(phase, i, next)
		}
		i = next
	}
}

// trim leaves out what the engine does not evaluate at the ends of a run.
func (p *planner) trim(phase, start, end int) (int, int) {
	costs := func(x *piece) bool {
		return x.what == marker || x.what == rule && p.s.rules[x.rule].isEvaluatedIn(phase) || x.what == gate && x.phase == phase
	}
	for start < end && !costs(&p.pieces[start]) {
		start++
	}
	for start < end && !costs(&p.pieces[end-1]) {
		end--
	}
	return start, end
}

// countMarkers counts what the engine evaluates in every phase.
func (p *planner) countMarkers(start, end int) int {
	n := 0
	for i := start; i < end; i++ {
		if p.pieces[i].what == marker {
			n++
		}
	}
	return n
}

// openGate is the first gate of a phase that leads past what is behind a run; -1: none does.
func (p *planner) openGate(phase, start, end int) int {
	for i := start; i < end; i++ {
		x := &p.pieces[i]
		if x.what == gate && x.phase == phase && !p.hasMarker(x.marker, i, end) {
			return i
		}
	}
	return -1
}

func (p *planner) hasMarker(name string, start, end int) bool {
	return slices.ContainsFunc(p.pieces[start:end], func(x piece) bool { return x.what == marker && x.marker == name })
}

func (p *planner) countRules(phase, start, end int) int {
	n := 0
	for i := start; i < end; i++ {
		if x := &p.pieces[i]; x.what == rule && p.s.rules[x.rule].isEvaluatedIn(phase) {
			n++
		}
	}
	return n
}

// addBlock puts a rule before a run that leads to its end. That is a marker already for most.
func (p *planner) addBlock(phase, start, end int) {
	number := len(p.s.blocks)
	var b block
	for level := range b.reached {
		b.reached[level] = screen.NewBits(len(p.s.rules))
	}
	for i := start; i < end; i++ {
		x := &p.pieces[i]
		if x.what != rule || !p.s.rules[x.rule].isEvaluatedIn(phase) {
			continue
		}
		for level := range b.reached {
			if level > maxLevel || p.s.rules[x.rule].level <= level {
				b.reached[level].Add(x.rule)
				b.hasRules = true
			}
		}
	}
	p.s.blocks = append(p.s.blocks, b)
	to := "PALISADE-" + strconv.Itoa(number)
	if last := &p.pieces[end-1]; last.what == marker && !strings.ContainsAny(last.marker, ` ,"'`) {
		to = last.marker
	} else {
		last.behind = append(last.behind, directive{text: "SecMarker " + to})
	}
	first := &p.pieces[start]
	first.before = append(first.before, directive{text: `SecRule &TX:palisade "@` + screenOperator + " " + strconv.Itoa(number) +
		`" "id:` + strconv.Itoa(firstScreenID+number) + ",phase:" + strconv.Itoa(phase) + ",pass,nolog,noauditlog,skipAfter:" + to + `"`})
}

// finish makes of what was read what is needed for transactions; not ok if there is too much of it.
func (p *planner) finish() bool {
	s := p.s
	if s.set = p.builder.Build(); s.set == nil {
		return false
	}
	for _, b := range []*screen.Bits{&s.may, &s.always, &s.todo, &s.asked, &s.odd, &s.cleaned, &s.other, &s.negated, &s.decoding, &s.cleaning, &s.chained} {
		*b = screen.NewBits(len(s.rules))
	}
	s.prefixed = make([]screen.Bits, len(prefixes))
	for i := range s.prefixed {
		s.prefixed[i] = screen.NewBits(len(s.rules))
	}
	for level := range s.levels {
		s.levels[level] = screen.NewBits(len(s.rules))
	}
	for i := range s.unless {
		s.unless[i] = screen.NewBits(len(s.rules))
	}
	for i := range s.rules {
		r := &s.rules[i]
		if r.opaque {
			s.always.Add(i)
			continue
		}
		p.addRule(i, r)
	}
	s.converters = make([]transformer, len(prefixes))
	for i := range prefixes {
		s.converters[i].actions = prefixes[i].actions
	}
	return true
}

func (p *planner) addRule(i int, r *screenable) {
	s := p.s
	for level := range s.levels {
		if level > maxLevel || r.level <= level {
			s.levels[level].Add(i)
		}
	}
	for mark := range s.unless {
		if r.kind.change.unless>>mark&1 != 0 {
			s.unless[mark].Add(i)
		}
	}
	for _, is := range []struct {
		so   bool
		bits screen.Bits
	}{{r.negated, s.negated}, {r.kind.change.decodes, s.decoding}, {r.kind.change.cleans, s.cleaning}, {r.chained, s.chained}} {
		if is.so {
			is.bits.Add(i)
		}
	}
	if r.kind.prefix >= 0 {
		s.prefixed[r.kind.prefix].Add(i)
	}
	k := slices.IndexFunc(s.kinds, func(k kindRules) bool { return k.actions == r.kind.actions })
	if k < 0 {
		k = len(s.kinds)
		s.kinds = append(s.kinds, kindRules{transformer: transformer{actions: r.kind.actions}, rules: screen.NewBits(len(s.rules))})
	}
	s.kinds[k].rules.Add(i)
	for _, t := range r.targets {
		for _, phase := range screenedPhases {
			if r.isEvaluated(t, phase) {
				s.addView(phase, t, i)
			}
		}
	}
}

// isEvaluatedIn tells whether the engine may evaluate a rule in a phase.
func (r *screenable) isEvaluatedIn(phase int) bool {
	return slices.ContainsFunc(r.targets, func(t target) bool { return r.isEvaluated(t, phase) })
}

// isEvaluated tells whether the engine may evaluate a rule on a target in a phase.
func (r *screenable) isEvaluated(t target, phase int) bool {
	if !multiphase {
		return phase == r.phase
	}
	return r.chained && phase <= r.phase || places[t.variable] == phase
}

func (s *screening) addView(phase int, t target, rule int) {
	views := s.views[phase]
	i := slices.IndexFunc(views, func(v view) bool { return v.variable == t.variable })
	if i < 0 {
		i = len(views)
		views = append(views, view{variable: t.variable, rules: screen.NewBits(len(s.rules)), named: map[string]screen.Bits{}})
	}
	rules := views[i].rules
	if t.key != "" {
		if rules = views[i].named[t.key]; rules == nil {
			rules = screen.NewBits(len(s.rules))
			views[i].named[t.key] = rules
		}
	}
	rules.Add(rule)
	s.views[phase] = views
}
