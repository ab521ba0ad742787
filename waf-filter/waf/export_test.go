package waf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3/collection"
)

// ErrorLog gives what the engine would write to an error log: a line for each match of a rule that is to be logged.
func (t *Transaction) ErrorLog() []string {
	var lines []string
	for _, m := range t.tx.MatchedRules() {
		if l, ok := m.(logged); !ok || l.Log() {
			lines = append(lines, m.ErrorLog())
		}
	}
	return lines
}

// IsReusable tells whether Close gives the engine's transaction back.
func (t *Transaction) IsReusable() bool { return t.isReusable() }

// SetScreening has rule sets compiled with or without a screening, and gives back how it was.
func SetScreening(on bool) (was bool) {
	was, screens = screens, on
	return was
}

// Trace is all that rules have left behind: what they matched, whether that is logged or not, and the variables that they set, but for
// what was captured last, which depends on the order of maps. Rules that only lead past others are left out.
func (t *Transaction) Trace() string {
	if t.tx == nil {
		return fmt.Sprint(t.decision)
	}
	var lines []string
	for _, m := range t.tx.Variables().TX().FindAll() {
		if _, err := strconv.Atoi(m.Key()); err != nil {
			lines = append(lines, m.Key()+"="+m.Value())
		}
	}
	for _, m := range t.tx.MatchedRules() {
		id := m.Rule().ID()
		isGate := id/100_000 == 9 && id%1000 >= 11 && id%1000 <= 18
		if id < firstScreenID && !isGate {
			for _, d := range m.MatchedDatas() {
				lines = append(lines, fmt.Sprintf("%d %s:%s=%q", m.Rule().ID(), d.Variable().Name(), d.Key(), d.Value()))
			}
		}
	}
	slices.Sort(lines)
	return fmt.Sprint(t.decision, "\n", strings.Join(lines, "\n"))
}

// Screened gives the ids of the rules that the engine is led past if they do not match, in the blocks of the only rule set.
func (f *Firewall) Screened() [][]int { return blockRules(f.sets[0].screening) }

func blockRules(s *screening) (blocks [][]int) {
	for i := range s.blocks {
		var ids []int
		for r := range s.rules {
			if s.blocks[i].reached[maxLevel+1].Has(r) {
				ids = append(ids, s.rules[r].id)
			}
		}
		blocks = append(blocks, ids)
	}
	return blocks
}

// LedPast tells how many of the blocks the engine was led past.
func (t *Transaction) LedPast() int {
	n := 0
	for _, m := range t.tx.MatchedRules() {
		if m.Rule().ID() >= firstScreenID {
			n++
		}
	}
	return n
}

// BodyValues gives how many values of the body rules look at, and how long these and their names are together.
func (t *Transaction) BodyValues() (values, size int) {
	v := t.tx.Variables()
	for _, c := range []collection.Collection{v.ArgsPost(), v.RequestXML(), v.MultipartPartHeaders(), v.Files(), v.MultipartFilename()} {
		for _, m := range c.FindAll() {
			values++
			size += len(m.Key()) + len(m.Value())
		}
	}
	return values, size
}
