package waf

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/corazawaf/coraza/v3"

	"github.com/palisade-mesh/palisade/filters/config"
)

// Compile makes a Firewall of a checked configuration, which it takes over. The error is config.Mistakes: directives
// that the engine does not accept, each with the place where its author wrote it.
func Compile(c *Config) (*Firewall, error) {
	f := &Firewall{config: c, sets: make([]*ruleSet, len(c.Sets))}
	lists, mistakes := render(c)
	for i, list := range lists {
		if len(mistakes) > 0 {
			break
		}
		set, bad := compile(c.Sets[i].Name, list)
		if bad != nil {
			mistakes = append(mistakes, c.Sets[i].mistake(bad))
		}
		f.sets[i] = set
	}
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	return f, nil
}

// RenderDirectives gives the directives that a rule set comes to, one an element: those of its list, what profiles stand for in
// place, and those that stand for exclusions. Rule files stay the names that they are included by.
func RenderDirectives(c *Config, set int) ([]string, error) {
	lists, mistakes := render(c)
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	var out []string
	included := ""
	for _, d := range lists[set] {
		switch {
		case d.top == "":
			out = append(out, strings.ReplaceAll(d.text, "\\\n", ""))
		case d.top != included:
			out = append(out, "Include "+d.top)
		}
		included = d.top
	}
	return out, nil
}

// render expands the lists of all rule sets and adds the exclusions.
func render(c *Config) ([][]directive, config.Mistakes) {
	var mistakes config.Mistakes
	lists := make([][]directive, len(c.Sets))
	found := make([]bool, len(c.Exclusions))
	for i := range c.Sets {
		list, bad := expand(c.Sets[i].Directives)
		if bad != nil {
			mistakes = append(mistakes, c.Sets[i].mistake(bad))
			continue
		}
		lists[i] = exclude(list, c.Exclusions, found)
	}
	for i, ok := range found {
		if !ok && len(mistakes) == 0 {
			mistakes = append(mistakes, config.Mistake{Path: c.Exclusions[i].path, What: "no rule of any rule set is meant by it"})
		}
	}
	return lists, mistakes
}

// exclude puts the directives that stand for exclusions before and behind the others. Those that mean no rule of the
// list are left out: of a rule that is not there, the engine refuses to change the targets.
func exclude(list []directive, exclusions []Exclusion, found []bool) []directive {
	var before, after []directive
	for i := range exclusions {
		e := &exclusions[i]
		meant := slices.ContainsFunc(list, func(d directive) bool {
			r, ok := readRule(&d)
			return ok && r.id != 0 && e.matches(&r)
		})
		if !meant {
			continue
		}
		found[i] = true
		for _, text := range e.before(i) {
			before = append(before, directive{text: text})
		}
		for _, text := range e.after() {
			after = append(after, directive{text: text})
		}
	}
	return slices.Concat(before, list, after)
}

// mistake says where in the author's list a directive is that cannot be taken.
func (s *SetConfig) mistake(bad *faulty) config.Mistake {
	path := s.path
	if bad.text == "" {
		return config.Mistake{Path: path, What: bad.why}
	}
	if !s.whole && bad.line > 0 {
		path += "[" + strconv.Itoa(bad.item) + "]"
	}
	return config.Mistake{Path: path, What: bad.place() + ", " + bad.name() + ": " + bad.why}
}

// compiling guards what the engine has only once for all: see auditWriter.
var compiling sync.Mutex

func compile(name string, list []directive) (*ruleSet, *faulty) {
	compiling.Lock()
	defer compiling.Unlock()
	set := &ruleSet{name: name, look: lookAt(list)}
	nextWriter = set
	defer func() { nextWriter = nil }()
	list = slices.DeleteFunc(list, isMemoryLimit)
	list = slices.Insert(freshen(list), 0, onBodyRead)
	if screens {
		list, set.screening = addScreening(list)
	}
	nextScreening = set.screening
	defer func() { nextScreening = nil }()
	var text strings.Builder
	for i := range list {
		text.WriteString(list[i].text)
		text.WriteByte('\n')
	}
	progress := &progress{}
	var err error
	set.waf, err = coraza.NewWAF(coraza.NewWAFConfig().WithDebugLogger(progressLogger{progress}).WithRootFS(dataFiles{}).
		WithDirectives(text.String()))
	progress.done = true
	if err == nil {
		return set, nil
	}
	bad := &faulty{why: reason(err)}
	if progress.directives > 0 && strings.HasPrefix(err.Error(), inDirectives) {
		bad.directive = list[progress.directives-1]
	}
	return nil, bad
}

// screens is false where it is tested that a screening changes nothing.
var screens = true

// isMemoryLimit tells whether a directive says how much of a body is kept in memory. A proxy's filter has nowhere else to keep
// it: a body past this limit, but not past SecRequestBodyLimit, could not be inspected. A wrong number is the engine's to refuse.
func isMemoryLimit(d directive) bool {
	limit, err := strconv.ParseUint(d.options(), 10, 32)
	return d.is("SecRequestBodyInMemoryLimit") && err == nil && limit > 0
}

// inDirectives is how the engine begins an error of a directive; others are of all of them together.
const inDirectives = "invalid WAF config from string: "

// reason is the engine's error without the words in which it wraps what it read: those are told better by the place.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), inDirectives)
	if rest, ok := strings.CutPrefix(text, "failed to compile the directive "); ok {
		if _, why, ok := strings.Cut(rest, ": "); ok {
			return why
		}
	}
	return text
}
