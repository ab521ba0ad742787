package waf

import (
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/corazawaf/coraza/v3/collection"
	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/types"
)

// Within a phase, the engine keeps what transformations have made of a value for the other rules. It finds it by the address of
// the value's name, its place among the values that the rule looks at, and the transformations. Neither need be the value's own:
//
//   - Values of one name have it in one place in memory. A rule that does not look at q takes the second a of q=1&a=x&a=<attack>
//     for the first one, which it does not match. Most rules of the Core Rule Set leave out some cookies, so that anybody can
//     have them look at one cookie twice, and never at another.
//   - MATCHED_VAR has no name and another value for each rule.
//
// So each value gets a name of its own (separate), and a rule that looks at what changes gets transformations of its own (freshen).

// separate gives each value of a collection a name in a place of its own, and tells how many there are.
func separate(c collection.Map) (values int) {
	all := c.FindAll()
	if !sharesNames(all) {
		return len(all)
	}
	for _, m := range all {
		c.Remove(m.Key())
	}
	for _, m := range all {
		c.Add(ownName(m.Key()), m.Value())
	}
	return len(all)
}

// sharesNames tells whether two values have their names in one place. All values of a name follow each other.
func sharesNames(all []types.MatchData) bool {
	nameless := 0
	for i := range all {
		name := all[i].Key()
		if name == "" {
			nameless++
		} else if i > 0 && unsafe.StringData(name) == unsafe.StringData(all[i-1].Key()) {
			return true
		}
	}
	return nameless > 1
}

// ownName copies a name. An empty one is the beginning of one that is not, as nothing has no place.
func ownName(name string) string { return strings.Clone(name + "=")[:len(name)] }

// changing are the variables that have another value for each rule. TX is one, too, but the engine knows of it.
var changing = []string{"MATCHED_VAR", "MATCHED_VARS", "MATCHED_VAR_NAME", "MATCHED_VARS_NAMES", "RULE", "ENV", "HIGHEST_SEVERITY",
	"DURATION", "REQBODY_PROCESSOR"}

// freshen has each rule that looks at a changing variable begin its transformations with one that no other rule has.
func freshen(list []directive) []directive {
	list = slices.Clone(list)
	count := 0
	for i := range list {
		d := &list[i]
		if r, ok := readRule(d); !ok || !looksAtChanging(r.variables) {
			continue
		}
		text, ok := withTransformation(d.text, transformationName(count))
		if !ok {
			continue
		}
		d.text = text
		count++
	}
	return list
}

func looksAtChanging(vars string) bool {
	for v := range strings.SplitSeq(strings.ToUpper(vars), "|") {
		v, _, _ = strings.Cut(strings.Trim(v, `&!"`), ":")
		if slices.Contains(changing, v) {
			return true
		}
	}
	return false
}

// withTransformation puts a transformation before those that a rule has; ok is false if it has none. SecDefaultAction can give
// it none either.
func withTransformation(text, name string) (with string, ok bool) {
	text = strings.ReplaceAll(text, "\\\n", "")
	start, end := actionsOf(text)
	actions := splitActions(text[start:end])
	at := 0
	for i, a := range actions {
		name, value := readAction(a)
		switch {
		case name != "t":
		case strings.EqualFold(value, "none"):
			at, ok = i+1, false // which forgets those before it
		default:
			ok = true
		}
	}
	if !ok {
		return "", false
	}
	actions = slices.Insert(actions, at, "t:"+name)
	return text[:start] + strings.Join(actions, ",") + text[end:], true
}

// transformationNames are those that the engine has been told of: it keeps them for good.
var transformationNames []string

// transformationName names a transformation that changes nothing.
func transformationName(i int) string {
	for len(transformationNames) <= i {
		name := "palisade" + strconv.Itoa(len(transformationNames))
		plugins.RegisterTransformation(name, func(s string) (string, bool, error) { return s, false, nil })
		transformationNames = append(transformationNames, name)
	}
	return transformationNames[i]
}
