package waf

import (
	"math/bits"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"
	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/palisade-mesh/palisade/waf-filter/screen"
)

// screening finds out which rules match something of a request before the engine evaluates them, so that it can be led past
// those that do not. For what it costs the engine to evaluate a rule, hundreds can be told not to match a value.
//
// It never decides: a rule that matches, or of which it cannot be told, is evaluated by the engine with all that is
// around it.
type screening struct {
	set   *screen.Set // what the rules look for, by their indices
	rules []screenable
	kinds []kindRules
	// views are what rules look at, and the rules that do, by phase.
	views  [lastPhase + 1][]view
	blocks []block
	// converters are the transformations of prefixes.
	converters []transformer

	// Rules: the opaque ones, those that match what their operator does not, those whose transformations do something beside what is in
	// their names, those that others are chained to.
	always, negated, decoding, cleaning, chained screen.Bits
	// prefixed are those whose transformations begin in a way that is known, by the way.
	prefixed []screen.Bits
	// levels are the rules that are reached, by paranoia level; the last are all. unless are those of which cannot be told
	// whether they match a value with a mark, by the mark's bit.
	levels [maxLevel + 2]screen.Bits
	unless [8]screen.Bits

	// What is known of the phase that is being evaluated.
	phase types.RulePhase // 0: nothing
	level int             // paranoia level of the rules that were looked at; a rule may raise it
	may   screen.Bits     // the rules that match something
	seen  *seen           // of the transaction

	known known // values

	// What is made use of while a value is looked at.
	sight, inner, decoded screen.Sight
	isDecoded             bool
	todo, asked           screen.Bits // rules that are to be judged
	odd, cleaned, other   screen.Bits // of them, those that are to be asked of another value
}

// seen is what a transaction knows of its first phase in its second.
type seen struct {
	may   screen.Bits // chained rules that match something; nil: nothing is known
	level int         // as screening.level
}

// kindRules are the rules that have values transformed in one way.
type kindRules struct {
	transformer
	rules screen.Bits
}

// view is something that rules look at.
type view struct {
	variable variables.RuleVariable
	rules    screen.Bits
	named    map[string]screen.Bits // that look at what has this name only, in lower case
}

// block is a run of rules that the engine is led past together if none of them matches.
type block struct {
	reached  [maxLevel + 2]screen.Bits // its rules, by paranoia level; the last are all
	hasRules bool                      // else it is of nothing but markers, each of which costs as much as a rule
}

const maxLevel = 4

// screenedPhases are those in which there are blocks: headers and body of requests, and the body of answers.
var screenedPhases = [...]int{1, 2, lastPhase}

const lastPhase = 4

// screenOperator is that of the rules that lead the engine past a block.
const screenOperator = "palisadeScreen"

// nextScreening is that of the rule set that is being compiled: see compiling.
var nextScreening *screening

func init() {
	plugins.RegisterOperator(screenOperator, func(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
		i, err := strconv.Atoi(o.Arguments)
		if err != nil || nextScreening == nil || i >= len(nextScreening.blocks) {
			return nil, errNotForRules
		}
		return &pastBlock{nextScreening, &nextScreening.blocks[i]}, nil
	})
}

// pastBlock matches if no rule of a block does.
type pastBlock struct {
	screening *screening
	block     *block
}

// Evaluate implements plugintypes.Operator.
func (p *pastBlock) Evaluate(tx plugintypes.TransactionState, _ string) bool {
	if !p.block.hasRules {
		return true
	}
	level := paranoiaLevel(tx)
	if p.screening.phase != tx.LastPhase() || p.screening.level < level {
		p.screening.look(tx, level)
	}
	return !p.screening.may.Meets(p.block.reached[level])
}

// paranoiaLevel is the level up to which rules are reached; more than maxLevel if it cannot be told.
func paranoiaLevel(tx plugintypes.TransactionState) int {
	values := tx.Variables().TX().Get("detection_paranoia_level")
	if len(values) != 1 {
		return maxLevel + 1
	}
	level, err := strconv.Atoi(values[0])
	if err != nil || level < 0 || level > maxLevel {
		return maxLevel + 1
	}
	return level
}

// begin is to be called before the engine evaluates anything of another transaction, or another phase.
func (s *screening) begin(t *seen) {
	if s != nil {
		s.phase, s.seen = 0, t
	}
}

func (s *screening) close() {
	if s == nil {
		return
	}
	for i := range s.kinds {
		s.kinds[i].close()
	}
	for i := range s.converters {
		s.converters[i].close()
	}
}

// look looks at all that rules look at in a phase.
func (s *screening) look(tx plugintypes.TransactionState, level int) {
	s.phase, s.level = tx.LastPhase(), level
	if !slices.Contains(screenedPhases[:], int(s.phase)) {
		s.may.Fill()
		return
	}
	copy(s.may, s.always)
	known := multiphase && s.phase == types.PhaseRequestBody && s.seen.may != nil && s.seen.level >= level
	if known {
		s.may.Or(s.seen.may)
	}
	for i := range s.views[s.phase] {
		if v := &s.views[s.phase][i]; !known || places[v.variable] == 2 {
			s.lookAtView(tx, v, s.levels[level])
		}
	}
	if s.phase == types.PhaseRequestHeaders {
		s.seen.may, s.seen.level = append(s.seen.may[:0], s.may...), level
		for i := range s.seen.may {
			s.seen.may[i] &= s.chained[i]
		}
	}
}

func (s *screening) lookAtView(tx plugintypes.TransactionState, v *view, reached screen.Bits) {
	c := tx.Collection(v.variable)
	if c == nil {
		return
	}
	for _, m := range c.FindAll() {
		copy(s.todo, v.rules)
		if len(v.named) > 0 {
			if rules := v.named[strings.ToLower(m.Key())]; rules != nil {
				s.todo.Or(rules)
			}
		}
		for i := range s.todo {
			s.todo[i] &= reached[i] &^ s.may[i]
		}
		s.lookAtValue(m.Value())
	}
}

// lookAtValue notes which of the rules to do match a value.
func (s *screening) lookAtValue(value string) {
	k := s.known.find(value, len(s.rules))
	if k != nil {
		open := false
		for i := range s.todo {
			s.may[i] |= s.todo[i] & k.matched[i]
			s.todo[i] &^= k.judged[i]
			open = open || s.todo[i] != 0
		}
		if !open {
			return
		}
		copy(s.asked, s.todo)
	}
	if s.judgeValue(value) {
		s.transform(value)
	}
	if k == nil {
		return
	}
	for i := range s.asked {
		k.judged[i] |= s.asked[i]
		k.matched[i] |= s.asked[i] & s.may[i] // none of them was there before
	}
}

// judgeValue tells whether there are odd rules among those to do.
func (s *screening) judgeValue(value string) (hasOdd bool) {
	at := &s.sight
	s.set.Look(value, at)
	s.isDecoded = false
	clear(s.odd)
	for p := range prefixes {
		if at.Marks&prefixes[p].marks != 0 && s.todo.Meets(s.prefixed[p]) {
			s.judgeConverted(value, p)
		}
	}
	s.sort(at)
	for word := range s.todo {
		for w := s.todo[word] & (at.Candidates[word] | s.negated[word] | s.decoding[word]); w != 0; w &= w - 1 {
			i := word*64 + bits.TrailingZeros64(w)
			s.note(i, s.judge(i, &s.rules[i].kind.change, value, at))
		}
	}
	if at.Marks&screen.Path != 0 && s.cleaned.Meets(s.cleaning) {
		s.judgeCleaned(value)
	}
	for _, w := range s.odd {
		hasOdd = hasOdd || w != 0
	}
	return hasOdd
}

// note notes what is told of a rule.
func (s *screening) note(i int, j judgement) {
	switch j {
	case matches:
		s.may.Add(i)
	case isOdd:
		s.odd.Add(i)
	}
}

// judgeConverted judges rules by what their prefix makes of a value, and takes them out of those to do.
func (s *screening) judgeConverted(value string, prefix int) {
	for i := range s.todo {
		s.other[i] = s.todo[i] & s.prefixed[prefix][i]
		s.todo[i] &^= s.other[i]
	}
	made, ok := s.converters[prefix].transform(value)
	if !ok {
		s.odd.Or(s.other)
		return
	}
	value = made[0]
	at := &s.inner
	s.set.Look(value, at)
	s.other.Each(func(i int) {
		c := &s.rules[i].kind.rest
		if c.unless&at.Marks != 0 || c.cleans && at.Marks&screen.Path != 0 || c.decodes {
			s.odd.Add(i)
			return
		}
		s.note(i, s.judge(i, c, value, at))
	})
}

// sort takes those out of the rules to do that are odd for what was seen of a value, and those to which it is another path.
func (s *screening) sort(at *screen.Sight) {
	clear(s.cleaned)
	for mark := range s.unless {
		if at.Marks>>mark&1 == 0 {
			continue
		}
		for i := range s.todo {
			s.odd[i] |= s.todo[i] & s.unless[mark][i]
			s.todo[i] &^= s.unless[mark][i]
		}
	}
	if at.Marks&screen.Path != 0 {
		for i := range s.todo {
			s.cleaned[i] = s.todo[i] & s.cleaning[i]
			s.todo[i] &^= s.cleaned[i]
		}
	}
}

// judgement is what can be told of a rule and a value.
type judgement uint8

const (
	matchesNot judgement = iota
	matches
	isOdd // it depends on what the transformations make of it
)

// judge tells of a rule and a value of which its transformations leave to be done what c says, and for which it is not odd yet.
func (s *screening) judge(i int, c *change, value string, at *screen.Sight) judgement {
	r := &s.rules[i]
	switch {
	case c.decodes && s.mayMatchDecoded(i, value):
		return isOdd
	case !r.negated && (!at.Candidates.Has(i) || !s.set.May(i, at)):
		return matchesNot
	case c.decodes, c.trims, c.removes && at.HasRemovable(), c.nulls && at.Has(0),
		r.multiMatch && (c.lowers || c.spaceless || c.plus && at.Has('+')): // what is between is looked at, too
		return isOdd
	case r.matchesPlain(c, value):
		return matches
	}
	return matchesNot
}

// judgeCleaned judges rules that clean paths by a value of which something is to be left out then.
func (s *screening) judgeCleaned(value string) {
	removable, hasNull := s.sight.HasRemovable(), s.sight.Has(0)
	other := cleanPath(value)
	at := &s.inner
	s.set.Look(other, at)
	s.cleaned.Each(func(i int) {
		r := &s.rules[i]
		c := &r.kind.change
		if c.decodes || c.trims || r.multiMatch || (c.removes || c.spaceless) && removable || c.nulls && hasNull || c.unless&at.Marks != 0 {
			s.odd.Add(i)
			return
		}
		s.note(i, s.judge(i, c, other, at))
	})
}

// cleanPath is a path as t:normalizePath leaves it.
func cleanPath(value string) string {
	if value == "" {
		return ""
	}
	clean := path.Clean(value)
	switch {
	case clean == ".":
		return ""
	case value[len(value)-1] == '/':
		return clean + "/"
	}
	return clean
}

// mayMatchDecoded tells whether a rule that decodes base64 may match what comes of a value.
func (s *screening) mayMatchDecoded(i int, value string) bool {
	c := &s.rules[i].kind.change
	if s.rules[i].negated || !c.spaced || c.lowers || c.nulls || c.cleans {
		return true
	}
	at := &s.decoded
	if !s.isDecoded {
		s.set.Look(decodeBase64(value), at)
		s.isDecoded = true
	}
	return c.unless&at.Marks != 0 || at.Candidates.Has(i) && s.set.May(i, at)
}

// decodeBase64 decodes as far as there are digits of base64, over blanks, and the plus signs that have become blanks before, as
// transformations may remove them. If they do not, what they give is the beginning of what this gives.
func decodeBase64(value string) string {
	out := make([]byte, 0, len(value))
	digits, n := uint32(0), 0
	for i := range len(value) {
		b := value[i]
		switch {
		case 'A' <= b && b <= 'Z':
			b -= 'A'
		case 'a' <= b && b <= 'z':
			b -= 'a' - 26
		case '0' <= b && b <= '9':
			b += 52 - '0'
		case b == '/':
			b = 63
		case b >= 0x80, strings.IndexByte("+ \t\n\v\f\r", b) >= 0:
			continue
		default:
			return string(out)
		}
		digits, n = digits<<6|uint32(b), n+6
		if n >= 8 {
			n -= 8
			out = append(out, byte(digits>>n))
		}
	}
	return string(out)
}

// matchesPlain tells whether a rule matches a value on which its transformations have no more to do than c says.
func (r *screenable) matchesPlain(c *change, value string) bool {
	if c.plus {
		value = strings.ReplaceAll(value, "+", " ")
	}
	if c.lowers {
		value = strings.ToLower(value)
	}
	if c.spaceless {
		value = withoutBlanks(value)
	}
	return r.matchesTransformed(value)
}

// withoutBlanks is a value as t:removeWhitespace leaves it.
func withoutBlanks(value string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, value)
}

// transform has the engine transform a value, and notes which of the odd rules match it then.
func (s *screening) transform(value string) {
	for i := range s.kinds {
		k := &s.kinds[i]
		if !k.rules.Meets(s.odd) {
			continue
		}
		made, ok := k.transform(value)
		if !ok {
			for word := range s.may {
				s.may[word] |= k.rules[word] & s.odd[word]
			}
		}
		for _, m := range made {
			s.judgeTransformed(k, m)
		}
	}
}

func (s *screening) judgeTransformed(k *kindRules, value string) {
	at := &s.inner
	s.set.Look(value, at)
	for word := range k.rules {
		w := k.rules[word] & s.odd[word] &^ s.may[word]
		if at.Marks&screen.Casing == 0 {
			w &= at.Candidates[word] | s.negated[word]
		}
		for ; w != 0; w &= w - 1 {
			i := word*64 + bits.TrailingZeros64(w)
			if s.mayMatchTransformed(i, at) && s.rules[i].matchesTransformed(value) {
				s.may.Add(i)
			}
		}
	}
}

func (s *screening) mayMatchTransformed(i int, at *screen.Sight) bool {
	return s.rules[i].negated || at.Marks&screen.Casing != 0 || s.set.May(i, at)
}
