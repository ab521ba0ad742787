package waf

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3"

	"github.com/palisade-mesh/palisade/waf-filter/screen"
)

// leastBlock is how many rules are worth to be led past together.
const leastBlock = 4

// firstScreenID is the id of the first rule that leads past others. Nobody has ids there: they are to fit 31 bits.
const firstScreenID = 2_147_000_000

var errNotForRules = errors.New("this operator is not for rules")

// A planner finds the blocks in a list of directives.
type planner struct {
	list    []directive
	gates   bool // the rules that leave out those of higher paranoia levels are as the Core Rule Set has them
	builder screen.Builder

	s    *screening
	out  []directive
	open []piece // of the run that is being read
	file string
	// level from which on what is read is reached, by phase, and the marker up to which that holds.
	level  [3]int
	marker [3]string
}

// piece is a few directives that belong together.
type piece struct {
	directives []directive
	rule       int // index of its rule in screening.rules; -1: none, but nothing happens if it is not evaluated
}

// addScreening puts rules into a list of directives that lead the engine past rules of the Core Rule Set that do not match. It is
// nil if nothing can be.
func addScreening(list []directive) ([]directive, *screening) {
	p := planner{list: list, s: &screening{}}
	if !p.readChanges() {
		return list, nil
	}
	for i := 0; i < len(list); {
		i += p.read(i)
	}
	p.endRun()
	if len(p.s.blocks) == 0 || !p.finish() {
		return list, nil
	}
	return p.out, p.s
}

// read reads what begins with a directive, and says how many directives it was.
func (p *planner) read(i int) int {
	d := &p.list[i]
	if d.file != p.file { // a gate holds within its file
		p.file, p.level, p.marker = d.file, [3]int{}, [3]string{}
	}
	n := p.length(i)
	whole := p.list[i : i+n]
	text, isRule := readRule(d)
	switch ours := strings.HasPrefix(d.file, crs); {
	case ours && !isRule && d.is("SecMarker"):
		p.closeGates(strings.Trim(d.options(), `"'`))
		p.open = append(p.open, piece{whole, -1})
	case ours && !isRule && d.is("SecComponentSignature"):
		p.open = append(p.open, piece{whole, -1})
	case ours && n == 1 && isRule && p.readGate(&text):
		p.open = append(p.open, piece{whole, -1})
	case ours && isRule && p.readRule(&text):
		p.open = append(p.open, piece{whole, len(p.s.rules) - 1})
	default:
		p.endRun()
		p.out = append(p.out, whole...)
	}
	return n
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

func isChain(action string) bool { return strings.EqualFold(strings.TrimSpace(action), "chain") }

func (p *planner) readRule(text *ruleText) bool {
	r, ok := readScreenable(text, &p.builder)
	if !ok || len(p.s.rules) > 1<<15 {
		return false
	}
	if p.gates {
		r.level = min(p.level[1], p.level[2])
	}
	p.s.rules = append(p.s.rules, r)
	return true
}

// readGate reads a rule that leads past those of higher paranoia levels, and does nothing else.
func (p *planner) readGate(text *ruleText) bool {
	limit, ok := strings.CutPrefix(text.operator, "@lt ")
	level, err := strconv.Atoi(limit)
	if text.variables != "TX:DETECTION_PARANOIA_LEVEL" || !ok || err != nil || text.phase != 1 && text.phase != 2 {
		return false
	}
	marker := ""
	for _, action := range text.actions {
		name, value, _ := strings.Cut(strings.TrimSpace(action), ":")
		switch name {
		case "id", "phase", "pass", "nolog", "tag", "ver":
		case "skipAfter":
			marker = value
		default:
			return false
		}
	}
	if marker == "" || p.marker[text.phase] != "" && p.marker[text.phase] != marker {
		return false
	}
	p.level[text.phase], p.marker[text.phase] = level, marker
	return true
}

func (p *planner) closeGates(marker string) {
	for phase := range p.marker {
		if p.marker[phase] == marker {
			p.level[phase], p.marker[phase] = 0, ""
		}
	}
}

// endRun writes the run that was read, as a block with one within it for each file.
func (p *planner) endRun() {
	run := p.open
	p.open = nil
	if countRules(run) < leastBlock {
		p.write(run)
		return
	}
	end := p.begin(run)
	var files [][]piece
	for len(run) > 0 {
		file := run[0].directives[0].file
		n := slices.IndexFunc(run, func(x piece) bool { return x.directives[0].file != file })
		if n < 0 {
			n = len(run)
		}
		files = append(files, run[:n])
		run = run[n:]
	}
	for _, f := range files {
		if len(files) == 1 || countRules(f) < leastBlock {
			p.write(f)
			continue
		}
		inner := p.begin(f)
		p.write(f)
		p.out = append(p.out, inner)
	}
	p.out = append(p.out, end)
}

func countRules(run []piece) int {
	n := 0
	for i := range run {
		if run[i].rule >= 0 {
			n++
		}
	}
	return n
}

func (p *planner) write(run []piece) {
	for i := range run {
		p.out = append(p.out, run[i].directives...)
	}
}

// begin writes the rules that lead past a block, and gives what is to be behind it.
func (p *planner) begin(run []piece) directive {
	number := len(p.s.blocks)
	var b block
	for level := range b.reached {
		b.reached[level] = newBits(1 << 16)
		for i := range run {
			if r := run[i].rule; r >= 0 && (level > maxLevel || p.s.rules[r].level <= level) {
				b.reached[level].add(uint16(r))
			}
		}
	}
	p.s.blocks = append(p.s.blocks, b)
	n := strconv.Itoa(number)
	for phase := 1; phase <= 2; phase++ {
		id := strconv.Itoa(firstScreenID + 2*number + phase - 1)
		p.out = append(p.out, directive{text: `SecRule &TX:palisade "@` + screenOperator + " " + n + `" "id:` + id + ",phase:" +
			strconv.Itoa(phase) + ",pass,nolog,noauditlog,skipAfter:PALISADE-" + n + `"`})
	}
	return directive{text: "SecMarker PALISADE-" + n}
}

// finish makes of what was read what is needed for transactions; not ok if the engine does not take it.
func (p *planner) finish() bool {
	s := p.s
	s.set = p.builder.Build()
	s.may, s.oddRules = newBits(len(s.rules)), newBits(len(s.rules))
	for i := range s.blocks {
		for level := range s.blocks[i].reached {
			s.blocks[i].reached[level] = s.blocks[i].reached[level][:len(s.may)]
		}
	}
	for i := range s.rules {
		r := &s.rules[i]
		k := slices.IndexFunc(s.kinds, func(k kindRules) bool { return k.actions == r.kind.actions })
		if k < 0 {
			k = len(s.kinds)
			s.kinds = append(s.kinds, kindRules{actions: r.kind.actions})
		}
		s.kinds[k].rules = append(s.kinds[k].rules, uint16(i))
		for _, t := range r.targets {
			for phase := 1; phase <= 2; phase++ {
				if r.isEvaluated(t, phase) {
					s.addView(phase, t, uint16(i))
				}
			}
		}
	}
	s.transformer = newTransformer(s)
	return s.transformer != nil
}

// isEvaluated tells whether the engine may evaluate a rule on a target in a phase.
func (r *screenable) isEvaluated(t target, phase int) bool {
	if !multiphase {
		return phase == r.phase
	}
	return r.chained || places[t.variable] == phase
}

func (s *screening) addView(phase int, t target, rule uint16) {
	views := s.views[phase]
	i := slices.IndexFunc(views, func(v view) bool { return v.target == t })
	if i < 0 {
		i = len(views)
		views = append(views, view{target: t})
	}
	views[i].rules = append(views[i].rules, rule)
	s.views[phase] = views
}

// newTransformer makes the engine that only transforms.
func newTransformer(s *screening) coraza.WAF {
	nextScreening = s
	defer func() { nextScreening = nil }()
	var text strings.Builder
	text.WriteString("SecRuleEngine On\nSecArgumentsLimit 2147483647\n")
	for i := range s.kinds {
		n := strconv.Itoa(i)
		text.WriteString(`SecRule ARGS_GET "@` + transformedOperator + " " + n + `" "id:` + strconv.Itoa(i+1) +
			`,phase:1,pass,nolog,noauditlog,` + s.kinds[i].actions + "\"\n")
	}
	w, err := coraza.NewWAF(coraza.NewWAFConfig().WithDirectives(text.String()))
	if err != nil {
		return nil
	}
	return w
}

// readChanges tells whether the rules are evaluated as they are written, as far as can be told of what else is in the list.
func (p *planner) readChanges() bool {
	p.gates = true
	for i := range p.list {
		d := &p.list[i]
		if strings.HasPrefix(d.file, crs) {
			continue
		}
		name := strings.ToLower(d.name())
		options := d.options()
		switch {
		case name == "secruleupdateactionbyid":
			return false
		case strings.HasPrefix(name, "secruleupdatetarget"):
			if !onlyExcludes(options) {
				return false
			}
		case strings.HasPrefix(name, "secruleremove") && mayMeanGates(options), strings.Contains(strings.ToLower(d.text), "ctl:ruleremoveby"):
			p.gates = false
		}
	}
	return true
}

// onlyExcludes tells of the options of a SecRuleUpdateTarget... whether they take targets away and add none.
func onlyExcludes(options string) bool {
	_, targets, _ := strings.Cut(options, " ")
	targets = strings.Trim(targets, `"' `)
	for _, t := range strings.FieldsFunc(targets, func(r rune) bool { return r == '|' || r == ',' }) {
		if !strings.HasPrefix(strings.TrimSpace(t), "!") {
			return false
		}
	}
	return targets != ""
}

// mayMeanGates tells of the options of a SecRuleRemove... whether they may mean more than rules with a given id.
func mayMeanGates(options string) bool {
	for _, word := range strings.Fields(options) {
		id, err := strconv.Atoi(strings.Trim(word, `"'`))
		if err != nil || id%1000 >= 10 && id%1000 <= 19 {
			return true
		}
	}
	return false
}
