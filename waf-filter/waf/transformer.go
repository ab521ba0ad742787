package waf

import (
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
)

// transformer is a list of the engine's transformations. It gives none of them away, so they are those of a rule in an engine of its
// own, which has nothing else to do; its operator takes what they make of a value.
type transformer struct {
	actions string // "t:none,t:lowercase", or with ",multiMatch"

	waf  coraza.WAF // nil: not made yet
	tx   engine     // nil: it cannot be made
	made []string
}

// transformedOperator is that rule's.
const transformedOperator = "palisadeTransformed"

// nextTransformer is what is being made: see compiling.
var nextTransformer *transformer

func init() {
	plugins.RegisterOperator(transformedOperator, func(plugintypes.OperatorOptions) (plugintypes.Operator, error) {
		if nextTransformer == nil {
			return nil, errNotForRules
		}
		return nextTransformer, nil
	})
}

// Evaluate implements plugintypes.Operator.
func (t *transformer) Evaluate(_ plugintypes.TransactionState, value string) bool {
	t.made = append(t.made, value)
	return false
}

// transform gives what the transformations make of a value, with multiMatch all that is between, too. They are good until the next
// call; ok is false if they cannot be had.
func (t *transformer) transform(value string) (made []string, ok bool) {
	if t.waf == nil && !t.make() {
		return nil, false
	}
	t.made = t.made[:0]
	t.tx.Variables().TX().Set("v", []string{value})
	t.tx.ProcessLogging() // the phase that can be evaluated again
	return t.made, len(t.made) > 0
}

// make makes the engine when it is needed first: many never are.
func (t *transformer) make() (ok bool) {
	compiling.Lock()
	defer compiling.Unlock()
	nextTransformer = t
	defer func() { nextTransformer = nil }()
	w, err := coraza.NewWAF(coraza.NewWAFConfig().WithDirectives("SecRuleEngine On\nSecAuditEngine Off\n" +
		`SecRule TX:v "@` + transformedOperator + `" "id:1,phase:5,pass,nolog,noauditlog,` + t.actions + `"`))
	if err != nil {
		return false
	}
	t.tx, ok = w.NewTransaction().(engine)
	if ok {
		t.waf = w
	}
	return ok
}

func (t *transformer) close() {
	if closer, ok := t.waf.(interface{ Close() error }); ok {
		_ = closer.Close() // frees what it has compiled
	}
}
