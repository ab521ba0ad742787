package waf

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
)

// Judge compares what a screening tells of single values with what comes of them when the engine transforms them.
type Judge struct {
	s *screening
	// transforming has a rule for each kind of transformations, whose operator notes what comes of a value.
	transforming coraza.WAF
}

const recordedOperator = "palisadeRecorded"

// recorded are the values that came of one, by kind.
var recorded [][]string

func init() {
	plugins.RegisterOperator(recordedOperator, func(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
		kind, err := strconv.Atoi(o.Arguments)
		return recorder(kind), err
	})
}

type recorder int

func (r recorder) Evaluate(_ plugintypes.TransactionState, value string) bool {
	recorded[r] = append(recorded[r], value)
	return false
}

// NewJudge takes a list of directives as if they were the Core Rule Set's.
func NewJudge(directives string) *Judge {
	var list []directive
	for text := range strings.Lines(directives) {
		if text = strings.TrimSpace(text); text != "" {
			list = append(list, directive{text: text, file: crs + "test.conf"})
		}
	}
	_, s := addScreening(list)
	return newJudge(s)
}

// Judge judges with all rules of the only rule set.
func (f *Firewall) Judge() *Judge { return newJudge(f.sets[0].screening) }

func newJudge(s *screening) *Judge {
	if s == nil {
		return nil
	}
	var text strings.Builder
	text.WriteString("SecRuleEngine On\n")
	for i := range s.kinds {
		n := strconv.Itoa(i)
		text.WriteString(`SecRule ARGS_GET "@` + recordedOperator + " " + n + `" "id:` + strconv.Itoa(i+1) + `,phase:1,pass,nolog,` +
			s.kinds[i].actions + "\"\n")
	}
	w, err := coraza.NewWAF(coraza.NewWAFConfig().WithDirectives(text.String()))
	if err != nil {
		panic(err)
	}
	return &Judge{s: s, transforming: w}
}

// Rules are the ids of the rules that it judges.
func (j *Judge) Rules() (ids []int) {
	for i := range j.s.rules {
		if !j.s.rules[i].opaque {
			ids = append(ids, j.s.rules[i].id)
		}
	}
	return ids
}

// Of gives the ids of the rules that match a value, and of those among them that the screening does not tell of.
func (j *Judge) Of(value string) (matching, missed []int) {
	s := j.s
	clear(s.may)
	clear(s.todo)
	for i := range s.rules {
		if !s.rules[i].opaque {
			s.todo.Add(i)
		}
	}
	s.lookAtValue(value)
	recorded = make([][]string, len(s.kinds))
	tx := j.transforming.NewTransaction()
	tx.AddGetRequestArgument("v", value)
	tx.ProcessRequestHeaders()
	_ = tx.Close()
	for kind := range s.kinds {
		s.kinds[kind].rules.Each(func(i int) {
			r := &s.rules[i]
			for _, value := range recorded[kind] {
				if r.matchesTransformed(value) {
					matching = append(matching, r.id)
					if !s.may.Has(i) {
						missed = append(missed, r.id)
					}
					return
				}
			}
		})
	}
	return matching, missed
}

// Blocks are the ids of the rules that the engine is led past together.
func (j *Judge) Blocks() [][]int { return blockRules(j.s) }

// Pattern is what a rule looks for, and how it has values transformed.
func (j *Judge) Pattern(id int) (operator, argument, actions string) {
	for i := range j.s.rules {
		if r := &j.s.rules[i]; r.id == id {
			return r.operator, r.argument, r.kind.actions
		}
	}
	return "", "", ""
}

// Phrases is the list of phrases of a file.
func Phrases(file string) []string {
	list, _ := phrasesOf("@pmFromFile", file)
	return list
}

// KnownTransformations are those that a screening knows.
func KnownTransformations() []string { return slices.Sorted(maps.Keys(changes)) }
