package waf

import (
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/collection"
	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"

	"github.com/palisade-mesh/palisade/waf-filter/screen"
)

// screening finds out which rules match something of a request before the engine evaluates them, so that it can be led past
// those that do not. For what it costs the engine to evaluate a rule, hundreds of patterns can be told not to match a value.
//
// It never decides: a rule that matches, or of which it cannot be told, is evaluated by the engine with all that is
// around it.
type screening struct {
	set   *screen.Set
	rules []screenable
	kinds []kindRules
	// views are what rules look at, and the rules that do, by phase.
	views  [3][]view
	blocks []block
	// transformer evaluates nothing but transformations: the engine's, of which it gives away none.
	transformer coraza.WAF

	// What is known of the phase that is being evaluated.
	phase  types.RulePhase // 0: nothing
	may    bits            // the rules that match something
	always bits            // those that are opaque
	sight  screen.Sight

	decoded struct { // of the value that is looked at, if a rule has asked for it
		is bool
		screen.Sight
	}
	odd      []string // values that are to be transformed
	oddRules bits     // the rules that are to be asked of them then
	inner    screen.Sight
}

// kindRules are the rules that have values transformed in one way.
type kindRules struct {
	actions string
	rules   []uint16
}

// view is something that rules look at.
type view struct {
	target
	rules []uint16
}

// block is a run of rules that the engine is led past together if none of them matches.
type block struct {
	reached [maxLevel + 2]bits // its rules, by paranoia level; the last are all
}

const maxLevel = 4

// bits is a set of small numbers.
type bits []uint64

func newBits(n int) bits         { return make(bits, (n+63)/64) }
func (b bits) add(i uint16)      { b[i/64] |= 1 << (i % 64) }
func (b bits) has(i uint16) bool { return b[i/64]>>(i%64)&1 != 0 }
func (b bits) meets(o bits) bool {
	for i := range b {
		if b[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// The operators that lead the engine: a rule with the first is put before each block, the second is the transformer's.
const (
	screenOperator      = "palisadeScreen"
	transformedOperator = "palisadeTransformed"
)

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
	plugins.RegisterOperator(transformedOperator, func(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
		i, err := strconv.Atoi(o.Arguments)
		if err != nil || nextScreening == nil || i >= len(nextScreening.kinds) {
			return nil, errNotForRules
		}
		return &transformed{nextScreening, nextScreening.kinds[i].rules}, nil
	})
}

// pastBlock matches if no rule of a block does.
type pastBlock struct {
	screening *screening
	block     *block
}

// Evaluate implements plugintypes.Operator.
func (p *pastBlock) Evaluate(tx plugintypes.TransactionState, _ string) bool {
	s := p.screening
	if s.phase != tx.LastPhase() {
		s.look(tx)
	}
	return !s.may.meets(p.block.reached[paranoiaLevel(tx)])
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

// forget is to be called before the engine evaluates anything of another transaction, or another phase.
func (s *screening) forget() {
	if s != nil {
		s.phase = 0
	}
}

// look looks at all that rules look at in a phase.
func (s *screening) look(tx plugintypes.TransactionState) {
	s.phase = tx.LastPhase()
	copy(s.may, s.always)
	if s.phase < 1 || int(s.phase) >= len(s.views) {
		for i := range s.may {
			s.may[i] = ^uint64(0)
		}
		return
	}
	views := s.views[s.phase]
	for i := range views {
		v := &views[i]
		s.odd = s.odd[:0]
		clear(s.oddRules)
		for _, m := range values(tx, &v.target) {
			s.lookAt(m.Value(), v.rules)
		}
		s.transform()
	}
	s.odd = nil
}

// values are those of a target, or more.
func values(tx plugintypes.TransactionState, t *target) []types.MatchData {
	c := tx.Collection(t.variable)
	if c == nil {
		return nil
	}
	if keyed, ok := c.(collection.Keyed); ok && t.key != "" {
		return keyed.FindString(t.key)
	}
	return c.FindAll()
}

// lookAt notes which of some rules match a value.
func (s *screening) lookAt(value string, rules []uint16) {
	at := &s.sight
	s.set.Look(value, at)
	s.decoded.is = false
	odd := false
	for _, i := range rules {
		if s.may.has(i) {
			continue
		}
		r := &s.rules[i]
		switch c := &r.kind.change; {
		case c.unless&at.Marks != 0, c.decodes && s.mayMatchDecoded(r, value):
			odd = true
			s.oddRules.add(i)
		case !r.negated && !s.set.May(r.pattern, at):
		case c.decodes, c.removes && at.HasRemovable(), c.nulls && at.Has(0):
			odd = true
			s.oddRules.add(i)
		case r.matchesPlain(value):
			s.may.add(i)
		}
	}
	if odd {
		s.odd = append(s.odd, value)
	}
}

// mayMatchDecoded tells whether a rule that decodes base64 may match what comes of a value.
func (s *screening) mayMatchDecoded(r *screenable, value string) bool {
	if c := &r.kind.change; r.negated || !c.plus || c.lowers || c.nulls {
		return true
	}
	at := &s.decoded
	if !at.is {
		s.set.Look(decodeBase64(value), &at.Sight)
		at.is = true
	}
	return r.kind.change.unless&at.Marks != 0 || s.set.May(r.pattern, &at.Sight)
}

// decodeBase64 decodes as far as there are digits of base64, over blanks, and the plus signs that have become blanks before, as
// transformations may remove them. If they do not, what they give is the beginning of what this gives.
func decodeBase64(value string) string {
	var out strings.Builder
	bits, n := uint32(0), 0
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
			return out.String()
		}
		bits, n = bits<<6|uint32(b), n+6
		if n >= 8 {
			n -= 8
			out.WriteByte(byte(bits >> n))
		}
	}
	return out.String()
}

// matchesPlain tells whether a rule matches a value on which its transformations have no more to do than it says.
func (r *screenable) matchesPlain(value string) bool {
	if r.multiMatch && r.matchesTransformed(value) {
		return true
	}
	if r.kind.change.plus && strings.IndexByte(value, '+') >= 0 {
		value = strings.ReplaceAll(value, "+", " ")
		if r.multiMatch && r.matchesTransformed(value) {
			return true
		}
	}
	if r.kind.change.lowers {
		value = strings.ToLower(value)
	}
	return r.matchesTransformed(value)
}

// transform has the engine transform the odd values, and notes which rules match them then.
func (s *screening) transform() {
	if len(s.odd) == 0 {
		return
	}
	tx := s.transformer.NewTransaction()
	for _, value := range s.odd {
		tx.AddGetRequestArgument("v", value)
	}
	tx.ProcessRequestHeaders()
	if len(s.odd) <= reusableArguments {
		_ = tx.Close() // removes files, of which there are none
	}
}

// transformed takes what one kind of transformations makes of the odd values.
type transformed struct {
	screening *screening
	rules     []uint16
}

// Evaluate implements plugintypes.Operator.
func (t *transformed) Evaluate(_ plugintypes.TransactionState, value string) bool {
	s := t.screening
	at := &s.inner
	seen := false
	for _, i := range t.rules {
		if !s.oddRules.has(i) || s.may.has(i) {
			continue
		}
		if !seen {
			s.set.Look(value, at)
			seen = true
		}
		r := &s.rules[i]
		if (r.negated || at.Marks&screen.Casing != 0 || s.set.May(r.pattern, at)) && r.matchesTransformed(value) {
			s.may.add(i)
		}
	}
	return false
}
