package waf

import (
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3/types"
)

// maxHits bounds what is told of one request: a request that matches more rules is no clearer for it.
const maxHits = 64

// Hit is a rule that matched.
type Hit struct {
	Rule     int
	Severity string // "critical"; "unset"
	Phase    Phase  // the rule's own
	Blocked  bool   // the rule is what blocked the request
	Message  string
}

// logged is what the engine's matches can do beside their public interface.
type logged interface {
	Log() bool
	Audit() bool
}

// Hits calls yield for each rule that matched and is to be logged, at most 64 of them.
func (t *Transaction) Hits(yield func(Hit) bool) {
	if t.tx == nil {
		return
	}
	count := 0
	for _, m := range t.tx.MatchedRules() {
		if l, ok := m.(logged); ok && !l.Log() {
			continue
		}
		if count++; count > maxHits || !yield(t.hit(m)) {
			return
		}
	}
}

func (t *Transaction) hit(m types.MatchedRule) Hit {
	r := m.Rule()
	return Hit{
		Rule: r.ID(), Severity: severity(r.Severity()), Phase: Phase(r.Phase()), Message: m.Message(),
		Blocked: t.blocked != 0 && strconv.Itoa(r.ID()) == t.decision.Rule,
	}
}

func severity(s types.RuleSeverity) string {
	if s == types.RuleSeverityUnset {
		return "unset"
	}
	return s.String()
}

// WouldBlock tells whether the engine, which only detects (SecRuleEngine DetectionOnly), would have blocked the request
// otherwise, and by which rule.
func (t *Transaction) WouldBlock() (rule int, is bool) {
	if t.tx == nil {
		return 0, false
	}
	i := t.tx.DetectionOnlyInterruption()
	if i == nil {
		return 0, false
	}
	return i.RuleID, true
}

// maxReason bounds a record's reason, in which there are parts of the request.
const maxReason = 512

// explain is the message of the rule that blocks. A rule that adds up the score of others says little, so the first of
// those is named with it.
func (t *Transaction) explain(rule int) string {
	message, first := "", ""
	others := 0
	for _, m := range t.tx.MatchedRules() {
		r := m.Rule()
		switch l, ok := m.(logged); {
		case r.ID() == rule:
			message = m.Message()
		case ok && !l.Log() || r.Severity() == types.RuleSeverityUnset:
		case first == "":
			first = strconv.Itoa(r.ID()) + " " + m.Message()
		default:
			others++
		}
	}
	if message == "" {
		message = "rule " + strconv.Itoa(rule) + " matches"
	}
	if first != "" {
		message += ": " + first
	}
	if others > 0 {
		message += ", and " + strconv.Itoa(others) + " more"
	}
	if len(message) > maxReason {
		message = message[:maxReason] + "..."
	}
	return strings.ToValidUTF8(message, "")
}
