package waf

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/palisade-mesh/palisade/waf-filter/phrase"
	"github.com/palisade-mesh/palisade/waf-filter/screen"
)

// What the engine's operators do, for rules to be screened by: it has to be the same. They are set by who decides what the
// engine's operators are, before the first rule set is compiled: see operators.go.
var (
	// CompileExpression is @rx.
	CompileExpression func(text string) (matches func(value string) bool, err error)
	// DetectSQLi and DetectXSS are @detectSQLi and @detectXSS.
	DetectSQLi, DetectXSS func(value string) bool
)

// screenable is a rule of which it can be told, without the engine, whether it matches a value.
type screenable struct {
	id         int
	phase      int
	level      int  // paranoia level from which on it is reached
	opaque     bool // it cannot be told
	chained    bool // others follow, which do not matter as long as this one does not match
	negated    bool
	multiMatch bool // what is between two transformations is looked at, too
	targets    []target
	kind       kind

	operator, argument string
	matches            func(value string) bool // what the operator says of a transformed value; nil: not made yet
	build              func() (matches func(value string) bool, err error)
}

// target is something that a rule looks at.
type target struct {
	variable variables.RuleVariable
	key      string // in lower case; "": all
}

// kind is how a rule has values transformed.
type kind struct {
	actions string // "t:none,t:lowercase", or with ",multiMatch"
	change  change
	// prefix is how the transformations begin, if the value that these make can be had by itself; -1: in no such way.
	// rest is what the others do.
	prefix int
	rest   change
}

// prefixes are how the transformations of many rules begin, and the marks of values that these change.
var prefixes = []struct {
	actions string
	marks   screen.Marks
}{
	{"t:none,t:urlDecodeUni", screen.Percent},
	{"t:none,t:utf8toUnicode,t:urlDecodeUni", screen.Percent | screen.Beyond},
}

// change is what transformations do to values, as far as it can be told without them.
type change struct {
	// unless are the marks of values that they may make anything of.
	unless screen.Marks
	// What they do to others:
	lowers    bool
	plus      bool // a plus becomes a blank
	nulls     bool // NUL is left out
	removes   bool // blanks and quotes are left out, or become others
	spaceless bool // blanks are left out
	decodes   bool // base64 is decoded
	spaced    bool // once, and a plus has become a blank before
	cleans    bool // elements of a path are left out
	trims     bool // and the ends of those that are kept
}

// changes of the transformations that are known.
var changes = map[string]change{
	"none":               {},
	"lowercase":          {unless: screen.Casing, lowers: true},
	"removenulls":        {nulls: true},
	"cmdline":            {lowers: true, removes: true},
	"urldecode":          {unless: screen.Percent, plus: true},
	"urldecodeuni":       {unless: screen.Percent, plus: true},
	"htmlentitydecode":   {unless: screen.Entity},
	"jsdecode":           {unless: screen.Backslash},
	"cssdecode":          {unless: screen.Backslash},
	"escapeseqdecode":    {unless: screen.Backslash},
	"utf8tounicode":      {unless: screen.Beyond},
	"removewhitespace":   {spaceless: true},
	"compresswhitespace": {removes: true},
	"base64decode":       {decodes: true},
	"replacecomments":    {unless: screen.Comment},
	"removecommentschar": {unless: screen.Comment},
	"normalizepath":      {cleans: true},
	"normalisepath":      {cleans: true},
	"normalizepathwin":   {unless: screen.Backslash | screen.Split, cleans: true, trims: true},
	"normalisepathwin":   {unless: screen.Backslash | screen.Split, cleans: true, trims: true},
}

// places are the variables that rules are screened by, and the phase from which on they are there: after Coraza's minPhase.
// None of them changes while a phase is evaluated.
var places = map[variables.RuleVariable]int{
	variables.ArgsGet: 1, variables.ArgsGetNames: 1, variables.ArgsPost: 2, variables.ArgsPostNames: 2,
	variables.Args: 2, variables.ArgsNames: 2,
	variables.RequestCookies: 1, variables.RequestCookiesNames: 1,
	variables.RequestHeaders: 1, variables.RequestHeadersNames: 1,
	variables.RequestFilename: 1, variables.RequestBasename: 1, variables.RequestURI: 1, variables.RequestURIRaw: 1,
	variables.RequestLine: 1, variables.QueryString: 1,
	variables.RequestBody: 2, variables.XML: 2, variables.Files: 2, variables.FilesNames: 2, variables.MultipartPartHeaders: 2,
	variables.ResponseBody: 4,
}

// caseSensitive are the places of which a name is not looked for in lower case.
var caseSensitive = map[variables.RuleVariable]bool{
	variables.Args: true, variables.ArgsNames: true, variables.ArgsGet: true, variables.ArgsGetNames: true,
	variables.ArgsPost: true, variables.ArgsPostNames: true,
}

// readScreenable reads a rule, and adds what it looks for to a set. One that cannot be screened is opaque; ok is false, and nothing
// is added, if not even what it looks at is known.
func readScreenable(text *ruleText, b *screen.Builder) (r screenable, ok bool) {
	if text.variables == "" || text.id == 0 || !slices.Contains(screenedPhases[:], text.phase) {
		return r, false
	}
	r = screenable{id: text.id, phase: text.phase}
	if r.targets, ok = readTargets(text.variables); !ok {
		return r, false
	}
	r.opaque = !r.readActions(text.actions) || !r.readOperator(text.operator, b)
	if r.opaque {
		b.Any()
	}
	return r, true
}

// readOperator adds what the operator looks for to a set, and notes how it is made.
func (r *screenable) readOperator(text string, b *screen.Builder) (ok bool) {
	name, argument, _ := strings.Cut(text, " ")
	name, r.negated = strings.CutPrefix(name, "!")
	argument = strings.TrimSpace(argument)
	r.operator, r.argument = name, argument
	if strings.Contains(argument, "%{") {
		return false
	}
	switch ok = true; name {
	case "@rx":
		r.build = func() (func(string) bool, error) { return CompileExpression(expression(argument)) }
		ok = b.Expression(expression(argument))
	case "@pm", "@pmFromFile":
		r.build = func() (func(string) bool, error) {
			list, err := phrasesOf(name, argument)
			return phrase.New(list).Contains, err
		}
		list, err := phrasesOf(name, argument)
		if ok = err == nil; ok {
			b.Phrases(list)
		}
	case "@streq":
		r.matches = func(value string) bool { return value == argument }
		b.Phrases([]string{argument})
	case "@contains":
		r.matches = func(value string) bool { return strings.Contains(value, argument) }
		b.Phrases([]string{argument})
	case "@validateByteRange":
		others, valid := bytesOutside(argument)
		if ok = valid && !r.negated; ok { // what is valid matches if it is negated: all there is
			r.matches = func(value string) bool { return containsByte(value, others) }
			b.Bytes(others)
		}
	case "@detectSQLi":
		r.matches = DetectSQLi
		b.Injection()
	case "@detectXSS":
		r.matches = DetectXSS
		b.Scripting()
	default:
		ok = false
	}
	return ok
}

// expression is a regular expression as @rx compiles it.
func expression(argument string) string { return "(?sm)" + argument }

func (r *screenable) readActions(actions []string) bool {
	kinds := "t:none"
	k := &r.kind
	k.prefix = -1
	for _, action := range actions {
		switch name, value := readAction(action); name {
		case "t":
			c, known := changes[strings.ToLower(value)]
			if !known {
				return false
			}
			if strings.EqualFold(value, "none") { // of what is before, nothing is done
				kinds, k.change, k.rest, k.prefix = "t:none", change{}, change{}, -1
				continue
			}
			kinds += ",t:" + value
			k.change, k.rest = k.change.then(c), k.rest.then(c)
			for i := range prefixes {
				if strings.EqualFold(kinds, prefixes[i].actions) {
					k.prefix, k.rest = i, change{}
				}
			}
		case "chain":
			r.chained = true
		case "multimatch":
			r.multiMatch = true
		}
	}
	k.change.unless |= screen.Casing
	k.rest.unless |= screen.Casing
	if k.actions = kinds; r.multiMatch {
		k.actions += ",multiMatch"
		k.prefix = -1 // what is before the end of the prefix is looked at, too
	}
	return true
}

// then is what two transformations do one after another.
func (c change) then(d change) change {
	out := change{
		unless: c.unless | d.unless, lowers: c.lowers || d.lowers, plus: c.plus || d.plus, nulls: c.nulls || d.nulls,
		removes: c.removes || d.removes, spaceless: c.spaceless || d.spaceless, decodes: c.decodes || d.decodes, spaced: c.spaced,
		cleans: c.cleans || d.cleans, trims: c.trims || d.trims,
	}
	if d.decodes {
		out.spaced = c.plus && !c.decodes
	}
	if (c.removes || c.spaceless || c.nulls) && (d.unless&^screen.Casing != 0 || d.cleans) {
		out.unless |= screen.Split
	}
	if c.spaceless && (d.plus || d.removes) {
		out.removes = true // there are blanks again
	}
	return out
}

// phrasesOf are the phrases of a @pm, or of a @pmFromFile whose list comes with the Core Rule Set. As the engine does, more letters
// than ASCII's are put in lower case.
func phrasesOf(operator, argument string) ([]string, error) {
	if operator == "@pm" {
		return strings.Split(strings.ToLower(argument), " "), nil
	}
	data, err := fs.ReadFile(dataFiles{}, argument)
	return phrase.Lines(strings.ToLower(string(data))), err
}

// readTargets reads the variables of a rule. What it must not look at counts as if it did.
func readTargets(text string) ([]target, bool) {
	var list []target
	for _, word := range strings.Split(text, "|") {
		if strings.HasPrefix(word, "!") {
			continue
		}
		name, key, _ := strings.Cut(word, ":")
		v, err := variables.Parse(name)
		if err != nil || places[v] == 0 {
			return nil, false
		}
		if caseSensitive[v] || strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			key = "" // an expression, or the like
		}
		list = append(list, parts(v, strings.ToLower(key))...)
	}
	return list, len(list) > 0
}

// parts are the variables that the engine has for one that is made of two, if it evaluates them by themselves.
func parts(v variables.RuleVariable, key string) []target {
	switch {
	case multiphase && v == variables.Args:
		return []target{{variables.ArgsGet, key}, {variables.ArgsPost, key}}
	case multiphase && v == variables.ArgsNames:
		return []target{{variables.ArgsGetNames, key}, {variables.ArgsPostNames, key}}
	}
	return []target{{v, key}}
}

// matchesTransformed tells whether the rule matches a value that has been transformed. Its operator is made when it is needed first: most
// never are. One that cannot be made matches everything.
func (r *screenable) matchesTransformed(value string) bool {
	if r.matches == nil {
		var err error
		if r.matches, err = r.build(); err != nil {
			r.matches = func(string) bool { return !r.negated }
		}
	}
	return r.matches(value) != r.negated
}

// bytesOutside are the bytes that are in none of some ranges, as "9,10,32-126".
func bytesOutside(ranges string) (others string, ok bool) {
	var inside [256]bool
	for _, r := range strings.Split(ranges, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(r), "-")
		first, err := strconv.ParseUint(low, 10, 8)
		last := first
		if isRange && err == nil {
			last, err = strconv.ParseUint(high, 10, 8)
		}
		if err != nil {
			return "", false
		}
		for b := first; b <= last; b++ {
			inside[b] = true
		}
	}
	var list []byte
	for b, is := range inside {
		if !is {
			list = append(list, byte(b))
		}
	}
	return string(list), true
}

func containsByte(value, list string) bool {
	for i := range len(value) {
		if strings.IndexByte(list, value[i]) >= 0 {
			return true
		}
	}
	return false
}
