//go:build tinygo.wasm

package main

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/wasilibs/go-libinjection"
	"github.com/wasilibs/go-re2"

	"github.com/palisade-mesh/palisade/waf-filter/pattern"
	"github.com/palisade-mesh/palisade/waf-filter/phrase"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// Regular expressions and injections are looked for by C++ in the module: re2 and libinjection, compiled to Wasm beforehand. What Go
// has is correct, too, but slow to compile and to run. Phrases are looked for by a list of our own.
//
// What C++ builds is never freed, as nobody tells it that a rule set is gone. So an expression is built once, and another rule set of
// the same rules needs no more.
func init() {
	plugins.RegisterOperator("rx", newExpression)
	plugins.RegisterOperator("pm", func(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
		return &phrases{phrase.New(strings.Split(o.Arguments, " "))}, nil
	})
	plugins.RegisterOperator("pmFromFile", newPhrases)
	plugins.RegisterOperator("pmf", newPhrases)
	plugins.RegisterOperator("pmFromDataset", newDataset)
	plugins.RegisterOperator("detectSQLi", func(plugintypes.OperatorOptions) (plugintypes.Operator, error) { return injection{}, nil })
	plugins.RegisterOperator("detectXSS", func(plugintypes.OperatorOptions) (plugintypes.Operator, error) { return scripting{}, nil })
	waf.CompileExpression = func(text string) (func(string) bool, error) {
		re, err := compile(text)
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}
	waf.DetectSQLi = func(value string) bool {
		is, _ := libinjection.IsSQLi(value)
		return is
	}
	waf.DetectXSS = libinjection.IsXSS
}

// expression is @rx.
type expression struct {
	re *re2.Regexp
}

// expressions are by their text.
var expressions = map[string]*re2.Regexp{}

func newExpression(options plugintypes.OperatorOptions) (plugintypes.Operator, error) {
	re, err := compile("(?sm)" + options.Arguments) // as ModSecurity's PCRE has it, and the Core Rule Set expects
	if err != nil {
		return nil, err
	}
	return &expression{re}, nil
}

func compile(text string) (*re2.Regexp, error) {
	if re := expressions[text]; re != nil {
		return re, nil
	}
	re, err := compileExpression(text, pattern.IsOfBytes(text))
	if err == nil {
		expressions[text] = re
	}
	return re, err
}

// Evaluate implements plugintypes.Operator.
func (e *expression) Evaluate(tx plugintypes.TransactionState, value string) bool {
	if !tx.Capturing() {
		return e.re.MatchString(value)
	}
	match := e.re.FindStringSubmatch(value)
	for i := range min(len(match), maxGroups) {
		tx.CaptureField(i, match[i])
	}
	return len(match) > 0
}

// maxGroups is how many groups are captured, the whole match among them: as many as Coraza's own @rx.
const maxGroups = 9

// phrases is @pm, @pmFromFile and @pmFromDataset: one of the phrases of a list is in the value, whatever its case.
type phrases struct {
	list *phrase.List
}

func newPhrases(options plugintypes.OperatorOptions) (plugintypes.Operator, error) {
	for _, dir := range options.Path {
		text, err := fs.ReadFile(options.Root, path.Join(dir, options.Arguments))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &phrases{phrase.New(phrase.Lines(string(text)))}, nil
	}
	return nil, errNoFile
}

func newDataset(options plugintypes.OperatorOptions) (plugintypes.Operator, error) {
	list, ok := options.Datasets[options.Arguments]
	if !ok {
		return nil, errors.New("there is no dataset " + options.Arguments)
	}
	return &phrases{phrase.NewASCII(list)}, nil
}

var errNoFile = errors.New("there is no such file of phrases")

// maxCaptures is how many matches are captured, as TX:0 to TX:9.
const maxCaptures = 10

// Evaluate implements plugintypes.Operator.
func (p *phrases) Evaluate(tx plugintypes.TransactionState, value string) bool {
	if !tx.Capturing() {
		return p.list.Contains(value)
	}
	i := 0
	return p.list.Find(value, maxCaptures, func(found string) {
		tx.CaptureField(i, found)
		i++
	}) > 0
}

// injection is @detectSQLi.
type injection struct{}

// Evaluate implements plugintypes.Operator.
func (injection) Evaluate(tx plugintypes.TransactionState, value string) bool {
	is, fingerprint := libinjection.IsSQLi(value)
	if is {
		tx.CaptureField(0, fingerprint)
	}
	return is
}

// scripting is @detectXSS.
type scripting struct{}

// Evaluate implements plugintypes.Operator.
func (scripting) Evaluate(_ plugintypes.TransactionState, value string) bool {
	return libinjection.IsXSS(value)
}
