package ratelimit

import (
	"strconv"
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/operation"
)

func (l *LimitConfig) decode(n config.Node, c *Config) {
	o := n.Object("name", "match", "key", "onMissingKey", "rate", "overrides", "cost", "costFromResponse", "scope", "mode")
	l.Target.decode(o, "per-user", c.Normalization)
	l.Response = decodeResponseCost(o.Get("costFromResponse"))
	l.Cost = decodeCost(o.Get("cost"), l.Response.Header != "")
	scope := o.Get("scope")
	l.Global = scope.OneOf("instance", "instance", "global") == "global"
	if l.Global && c.Global == nil {
		scope.Mistake(`a global limit needs to know who counts, for example "global": {"cluster": "ratelimit"} beside the limits`)
	}
	l.Rate = l.decodeRate(o.Require("rate", `{"requests": 100, "per": "1m"}`))
	for _, n := range overridesOf(o) {
		fields := n.Object("key", "rate", "unlimited")
		v := decodeOverride(n, fields, "rate", len(l.Key))
		v.Rate = l.decodeRate(fields.Get("rate"))
		l.Overrides = append(l.Overrides, v)
	}
}

// decode reads what limits of both kinds have, but for overrides.
func (t *Target) decode(o *config.Object, example string, level match.Normalization) {
	t.Name = o.Require("name", strconv.Quote(example)).String("")
	t.Key = decodeKey(o.Get("key"))
	t.Missing = OnMissing(o.Get("onMissingKey").OneOf(string(MissingShared), string(MissingShared), string(MissingSkip),
		string(MissingDeny)))
	t.DryRun = decision.DecodeMode(o.Get("mode")) == decision.DryRun
	if target := o.Get("match"); target.Present() {
		t.Match.Decode(target.Object(operation.Fields...), level)
		if strings.TrimSpace(strings.Trim(target.Raw(), "{}")) == "" {
			target.Mistake("the object is empty; leave it out to match anything")
		}
	}
	if missing := o.Get("onMissingKey"); missing.Present() && !o.Get("key").Present() {
		missing.Mistake("only with a key")
	}
}

func overridesOf(o *config.Object) []config.Node {
	overrides := o.Get("overrides").NonEmptyList()
	if len(overrides) > maxOverrides {
		o.Get("overrides").Mistake("found " + strconv.Itoa(len(overrides)) + ", expected at most " + strconv.Itoa(maxOverrides))
	}
	return overrides
}

// decodeOverride reads the key of an override, and whether it has the other field or is unlimited.
func decodeOverride(n config.Node, o *config.Object, field string, parts int) Override {
	key := o.Get("key")
	v := Override{Unlimited: o.Get("unlimited").Bool(false)}
	v.Key = config.Compile(key, match.ParseString)
	for _, e := range key.List() {
		v.Patterns = append(v.Patterns, e.Value().String())
	}
	switch {
	case !key.Present():
		n.Mistake(`no key; needed, for example ["alice"]`)
	case key.Value().IsArray() && len(v.Patterns) != parts:
		key.Mistake("found " + strconv.Itoa(len(v.Patterns)) + " patterns, expected one for each of the key's " +
			strconv.Itoa(parts) + " parts")
	}
	switch present := o.Get(field).Present(); {
	case present && v.Unlimited:
		n.Mistake("found a " + field + " and unlimited, expected one of them")
	case !present && !v.Unlimited:
		n.Mistake("found neither a " + field + " nor unlimited: true")
	}
	return v
}

func (l *ConcurrencyConfig) decode(n config.Node, c *Config) {
	o := n.Object("name", "match", "key", "onMissingKey", "max", "overrides", "mode")
	l.Target.decode(o, "db", c.Normalization)
	l.Max = o.Require("max", "50").Int(1, 1, MaxInFlight)
	for _, n := range overridesOf(o) {
		fields := n.Object("key", "max", "unlimited")
		v := decodeOverride(n, fields, "max", len(l.Key))
		v.Max = fields.Get("max").Int(1, 1, MaxInFlight)
		l.Overrides = append(l.Overrides, v)
	}
}

func decodeRate(n config.Node) Rate {
	o := n.Object("requests", "per", "burst")
	before := n.Mistakes()
	requests := o.Require("requests", "100").Int(1, 1, MaxRequests)
	per := o.Require("per", `"1m"`).Duration(MaxPer, MinPer, MaxPer)
	burst := o.Get("burst").Int(requests, 1, MaxRequests)
	if n.Raw() == "{}" { // whose missing members Require does not see
		n.Mistake(`the object is empty; needed, for example {"requests": 100, "per": "1m"}`)
	}
	r, err := NewRate(requests, per, burst)
	if err != nil && n.Mistakes() == before {
		n.Mistake(err.Error())
	}
	return r
}

// decodeRate reads one of the limit's rates, and finds what the limit cannot do with it.
func (l *LimitConfig) decodeRate(n config.Node) Rate {
	if !n.Present() {
		return Rate{}
	}
	r := decodeRate(n)
	r.debt = l.Response.Header != ""
	if l.Cost.Header == "" && r.Burst > 0 && l.Cost.Fixed > r.Burst {
		n.Mistake("each request costs " + strconv.FormatInt(l.Cost.Fixed, 10) + ", which is more than the burst of " +
			strconv.FormatInt(r.Burst, 10) + ": none would ever be admitted")
	}
	if l.Global && r.Per > 0 && !isWindow(r.Per) {
		n.Mistake("found a rate per " + r.Per.String() + ", expected 1s, 1m, 1h, 24h or 168h: the rate limit service counts in windows of these")
	}
	return r
}

func decodeCost(n config.Node, more bool) Cost {
	if !n.Present() {
		return Cost{Fixed: 1}
	}
	if !n.Value().IsObject() {
		lowest := int64(1)
		if more { // the request is free, the response is not
			lowest = 0
		}
		return Cost{Fixed: n.Int(1, lowest, MaxRequests)}
	}
	header, highest := decodeHeaderCost(n, "x-cost")
	return Cost{Header: header, Max: highest}
}

func decodeResponseCost(n config.Node) ResponseCost {
	if !n.Present() {
		return ResponseCost{}
	}
	header, highest := decodeHeaderCost(n, "x-tokens-used")
	return ResponseCost{Header: header, Max: highest}
}

func decodeHeaderCost(n config.Node, example string) (name string, highest int64) {
	o := n.Object("header", "max")
	header := o.Get("header")
	name, highest = strings.ToLower(header.String("")), o.Get("max").Int(1, 1, MaxRequests)
	if !header.Present() || !o.Get("max").Present() {
		n.Mistake(`header and max are needed, for example {"header": "` + example + `", "max": 50}`)
	}
	if name != "" && !isHeaderName(name) {
		header.Mistake("found \"" + name + "\", which is no header's name")
	}
	return name, highest
}

// GlobalConfig is who counts for all proxies.
type GlobalConfig struct {
	Cluster string // of the proxy, where the rate limit service is
	Domain  string // the service's name for the configuration
	Timeout time.Duration
	OnError OnError
}

// OnError is what becomes of a request when the service does not answer.
type OnError string

// The values of onError.
const (
	ErrorInstance OnError = "instance" // this proxy counts
	ErrorAllow    OnError = "allow"
	ErrorDeny     OnError = "deny"
)

// Bounds of a timeout.
const (
	defaultTimeout = 50 * time.Millisecond
	minTimeout     = time.Millisecond
	maxTimeout     = 10 * time.Second
)

func decodeGlobal(n config.Node) *GlobalConfig {
	if !n.Present() {
		return nil
	}
	o := n.Object("cluster", "domain", "timeout", "onError")
	g := &GlobalConfig{
		Cluster: o.Require("cluster", `"ratelimit"`).String(""),
		Domain:  o.Get("domain").String("palisade"),
		Timeout: o.Get("timeout").Duration(defaultTimeout, minTimeout, maxTimeout),
		OnError: OnError(o.Get("onError").OneOf(string(ErrorInstance), string(ErrorInstance), string(ErrorAllow), string(ErrorDeny))),
	}
	if n.Raw() == "{}" {
		n.Mistake(`the object is empty; needed, for example {"cluster": "ratelimit"}`)
	}
	return g
}
