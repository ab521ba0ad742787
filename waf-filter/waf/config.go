package waf

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/clientip"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/identity"
	"github.com/palisade-mesh/palisade/filters/match"
)

// Config is a waf-filter configuration as its author wrote it, decoded and checked. The directives themselves are
// checked by Compile.
type Config struct {
	Mode decision.Mode
	// Sets are the rule sets that requests can come to, in the order of the document.
	Sets []SetConfig
	// Default is the index of the rule set for authorities that have none of their own; -1: there is none.
	Default int
	// Authorities are the indices of rule sets by authority, in the normal form of match.NormalHost.
	Authorities map[string]int
	// Unmatched is what becomes of a request without a rule set.
	Unmatched decision.Effect
	// MetricLabels are for the metrics of coraza-proxy-wasm, in the order of their names.
	MetricLabels [][2]string
	Exclusions   []Exclusion
	Identity     identity.Resolver
	Claims       claimset.Config
	TrustedHops  int
	Response     decision.Response
	Audit        decision.Audit
	// Warnings are what is accepted because coraza-proxy-wasm accepts it, and is hardly what was meant.
	Warnings []string
}

// SetConfig is a named list of directives.
type SetConfig struct {
	Name       string
	Directives []string
	path       string // of the list, as "$.directives_map.default"
	whole      bool   // what is at path is not a list: no element is to be named
}

// The fields that coraza-proxy-wasm has.
var peerFields = []string{"directives_map", "default_directives", "per_authority_directives", "metric_labels", "rules"}

// Decode reads a configuration. The error is config.Mistakes.
func Decode(raw []byte) (*Config, error) {
	if len(strings.TrimSpace(string(raw[:min(len(raw), 64)]))) == 0 {
		raw = []byte("{}") // as coraza-proxy-wasm does
	}
	doc, root := config.Parse(raw)
	o := root.Object(append([]string{"mode", "profile", "exclusions", "unmatched", "identity", "claims", "remoteIP",
		"response", "audit"}, peerFields...)...)
	c := &Config{
		Mode:         decision.DecodeMode(o.Get("mode")),
		Default:      -1,
		Identity:     identity.Decode(o.Get("identity")),
		Claims:       claimset.Decode(o.Get("claims")),
		TrustedHops:  clientip.DecodeTrustedHops(o.Get("remoteIP")),
		Response:     decision.DecodeResponse(o.Get("response")),
		Audit:        decision.DecodeAudit(o.Get("audit")),
		MetricLabels: metricLabels(o.Get("metric_labels")),
	}
	d := decoder{config: c, lists: o.Get("directives_map").Members()}
	d.defaultSet(o)
	d.authorities(o.Get("per_authority_directives"))
	for _, n := range o.Get("exclusions").NonEmptyList() {
		c.Exclusions = append(c.Exclusions, decodeExclusion(n))
	}
	c.Unmatched = unmatched(o)
	d.warn()
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// unmatched is what becomes of requests without a rule set: they are refused. A configuration in the words of
// coraza-proxy-wasm alone was written for a filter that lets them pass, and decides as it did.
func unmatched(o *config.Object) decision.Effect {
	def := "allow"
	for _, f := range []string{"mode", "profile", "exclusions", "identity", "claims", "remoteIP", "response", "audit"} {
		if o.Get(f).Present() {
			def = "block"
		}
	}
	if o.Get("unmatched").OneOf(def, "block", "allow") == "allow" {
		return decision.Allow
	}
	return decision.Deny
}

// metricLabels are names and values; of coraza-proxy-wasm, a value may be a number, too.
func metricLabels(n config.Node) [][2]string {
	var labels [][2]string
	for _, m := range n.Members() {
		switch v := m.Node.Value(); v.Type {
		case gjson.String, gjson.Number, gjson.True, gjson.False:
			labels = append(labels, [2]string{m.Name, v.String()})
		default:
			m.Node.Mistake("expected a string, a number or a boolean")
		}
	}
	slices.SortFunc(labels, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return labels
}

// decoder finds the rule sets that are used: others are not compiled.
type decoder struct {
	config *Config
	lists  []config.Member
	used   map[string]int // their indices in Config.Sets
}

func (d *decoder) defaultSet(o *config.Object) {
	named, profile, rules := o.Get("default_directives"), o.Get("profile"), o.Get("rules")
	if profile.Present() {
		name := profile.OneOf("", profiles...)
		if named.Present() {
			profile.Mistake("beside default_directives; requests can have one default only")
		}
		if name != "" {
			d.config.Default = d.set(name, profile)
		}
		return
	}
	if named.Present() {
		d.config.Default = d.set(named.String(""), named)
		return
	}
	// The old form of coraza-proxy-wasm; with directives_map it does not count.
	if list := texts(rules); rules.Present() && len(d.lists) == 0 {
		d.config.Default = d.add("default", list, rules)
	}
}

func (d *decoder) authorities(n config.Node) {
	d.config.Authorities = map[string]int{}
	names := map[string]string{}
	for _, m := range n.Members() {
		authority := match.NormalHost(m.Name)
		if m.Name == "" || !match.ValidAuthority(authority) {
			m.Node.Mistake("the name is not an authority; expected a host with at most a port")
			continue
		}
		name := m.Node.String("")
		if other, ok := names[authority]; ok && other != name {
			m.Node.Mistake("a second rule set for the authority " + authority + ", which has " + other)
		}
		names[authority] = name
		if i := d.set(name, m.Node); i >= 0 {
			d.config.Authorities[authority] = i
		}
	}
}

// set gives the index of a rule set by its name, or by that of a profile; -1 with a mistake if there is none.
func (d *decoder) set(name string, at config.Node) int {
	if i, ok := d.used[name]; ok {
		return i
	}
	for _, m := range d.lists {
		if m.Name == name {
			return d.add(name, texts(m.Node), m.Node)
		}
	}
	if directives, ok := profileDirectives(name); ok {
		i := d.add(name, directives, at)
		d.config.Sets[i].whole = true
		return i
	}
	if name != "" {
		at.Mistake("found \"" + name + "\", which is neither in directives_map nor a profile (" + strings.Join(profiles, ", ") + ")")
	}
	return -1
}

func (d *decoder) add(name string, directives []string, at config.Node) int {
	if d.used == nil {
		d.used = map[string]int{}
	}
	i := len(d.config.Sets)
	d.used[name] = i
	d.config.Sets = append(d.config.Sets, SetConfig{Name: name, Directives: directives, path: at.Path()})
	return i
}

// texts reads a list of directives; one string stands for a list of one.
func texts(n config.Node) []string {
	if n.Value().Type == gjson.String {
		return []string{n.Value().Str}
	}
	list := []string{}
	for _, e := range n.List() {
		if e.Value().Type != gjson.String {
			e.String("") // says what is wrong
		}
		list = append(list, e.Value().Str)
	}
	return list
}

// warn looks for what coraza-proxy-wasm accepts without a word.
func (d *decoder) warn() {
	warn := func(text string) { d.config.Warnings = append(d.config.Warnings, "config: "+text) }
	if len(d.config.Sets) == 0 {
		warn("$: no rule set is used, so no request is inspected")
	}
	if d.config.Default < 0 && d.config.Unmatched == decision.Allow {
		warn("$: requests to authorities without a rule set pass uninspected; say default_directives, or unmatched: block")
	}
	for _, m := range d.lists {
		if _, ok := d.used[m.Name]; !ok {
			texts(m.Node) // it is checked all the same
			warn(m.Node.Path() + ": no authority uses this rule set, so it is not compiled")
		}
	}
}
