package waf

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/config"
)

// Exclusion keeps rules from looking at something, or from being evaluated at all.
type Exclusion struct {
	IDs  string // of the rules: "942100", or "942100-942199"; "": by tag
	Tag  string // of the rules
	Path string // of the requests: "/a", "/a/*" or "*/a"; "": all
	// Targets are what the rules do not look at, as "ARGS:q"; none: the rules are not evaluated.
	Targets []string

	path string // where it is written
}

func decodeExclusion(n config.Node) Exclusion {
	o := n.Object("id", "tag", "path", "argument", "header", "cookie")
	e := Exclusion{path: n.Path(), IDs: ruleIDs(o.Get("id")), Path: exclusionPath(o.Get("path"))}
	if e.Tag = o.Get("tag").String(""); !isTag(e.Tag) {
		o.Get("tag").Mistake("found \"" + e.Tag + "\"; a tag has letters, digits, and /_.- between them")
	}
	if o.Get("id").Present() == o.Get("tag").Present() {
		n.Mistake(`expected either id or tag: which rules are excluded, for example {"id": 942100, "argument": "q"}`)
	}
	for _, target := range [][2]string{{"argument", "ARGS:"}, {"header", "REQUEST_HEADERS:"}, {"cookie", "REQUEST_COOKIES:"}} {
		if at := o.Get(target[0]); at.Present() {
			name := at.String("")
			if !isTargetName(name) {
				at.Mistake("found \"" + name + "\"; expected one name without blanks, quotes and any of \\ / | , ; ! & :")
			}
			e.Targets = append(e.Targets, target[1]+name)
		}
	}
	return e
}

// ruleIDs reads the id of a rule, or a range of them.
func ruleIDs(n config.Node) string {
	if !n.Present() {
		return ""
	}
	if n.Value().Type == gjson.Number {
		return strconv.FormatInt(n.Int(1, 1, 1<<31-1), 10)
	}
	text := n.String("1")
	low, high, isRange := strings.Cut(text, "-")
	first, err := strconv.ParseUint(low, 10, 31)
	last := first
	if isRange && err == nil {
		last, err = strconv.ParseUint(high, 10, 31)
	}
	if err != nil || first == 0 || first > last {
		n.Mistake("found \"" + text + "\", expected a rule's id or a range of them, as \"942100-942199\"")
	}
	return text
}

// exclusionPath reads the path of requests, in the string forms of the other filters.
func exclusionPath(n config.Node) string {
	path := n.String("")
	if !n.Present() {
		return ""
	}
	word := strings.TrimSuffix(path, "*")
	if word == path {
		word = strings.TrimPrefix(path, "*")
	}
	for _, c := range []byte(word) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"'\*%?#,;`, c) >= 0 {
			n.Mistake("found \"" + path + "\"; expected a path as \"/a\", \"/a/*\" or \"*/a\", without blanks, quotes and any of \\ % ? # , ;")
			break
		}
	}
	if len(word) < 2 {
		n.Mistake("found \"" + path + "\", which is every path; leave it out if that is meant")
	}
	return path
}

func isTag(s string) bool {
	for _, c := range []byte(s) {
		if !isWord(c) && strings.IndexByte("/_.-", c) < 0 {
			return false
		}
	}
	return true
}

func isTargetName(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"'\/|,;!&:`+"`", c) >= 0 {
			return false
		}
	}
	return true
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// firstExclusionID is the id of the first rule that stands for an exclusion by path. Ids below 100,000 are for local use,
// and no documentation suggests this many.
const firstExclusionID = 95000

// before are directives that stand before all others: rules that switch off others while a request lasts.
func (e *Exclusion) before(index int) []string {
	if e.Path == "" {
		return nil
	}
	by, rules := e.rules()
	var ctl []string
	for _, t := range e.Targets {
		ctl = append(ctl, "ctl:ruleRemoveTarget"+by+"="+rules+";"+t)
	}
	if ctl == nil {
		ctl = append(ctl, "ctl:ruleRemove"+by+"="+rules)
	}
	operator := "@streq " + e.Path
	if prefix, ok := strings.CutSuffix(e.Path, "*"); ok {
		operator = "@beginsWith " + prefix
	} else if suffix, ok := strings.CutPrefix(e.Path, "*"); ok {
		operator = "@endsWith " + suffix
	}
	id := strconv.Itoa(firstExclusionID + index)
	return []string{
		// A path of which two readers make different ones is not excluded: /search/../admin would be under /search/*.
		`SecRule REQUEST_FILENAME "!@rx //|/\.{1,2}(?:/|$)|[\x00-\x1f%;\x5c]" "id:` + id + `,phase:1,pass,nolog,t:none,chain"`,
		`SecRule REQUEST_URI_RAW "!@rx (?i)^[^?]*%(?:2[5ef]|3b|5c|00)" "t:none,chain"`,
		`SecRule REQUEST_FILENAME "` + operator + `" "t:none,` + strings.Join(ctl, ",") + `"`,
	}
}

// after are directives that stand behind all others: they change rules that are there.
func (e *Exclusion) after() []string {
	if e.Path != "" {
		return nil
	}
	by, rules := e.rules()
	if len(e.Targets) == 0 {
		return []string{"SecRuleRemove" + by + " " + rules}
	}
	var out []string
	for _, t := range e.Targets {
		out = append(out, "SecRuleUpdateTarget"+by+" "+rules+` "!`+t+`"`)
	}
	return out
}

// rules are those that are meant, and by what, as the names of directives and controls have it.
func (e *Exclusion) rules() (by, which string) {
	if e.Tag != "" {
		return "ByTag", e.Tag
	}
	return "ById", e.IDs
}

// matches tells whether a rule is one of those that are meant.
func (e *Exclusion) matches(r *ruleText) bool {
	if e.Tag != "" {
		return slices.Contains(r.tags, e.Tag)
	}
	low, high, isRange := strings.Cut(e.IDs, "-")
	if !isRange {
		high = low
	}
	first, _ := strconv.Atoi(low)
	last, _ := strconv.Atoi(high)
	return first <= r.id && r.id <= last
}
