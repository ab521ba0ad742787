package ratelimit

import (
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/clientip"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/identity"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/operation"
)

// Config is a ratelimit-filter configuration as its author wrote it, decoded and checked.
type Config struct {
	Mode          decision.Mode
	Limits        []LimitConfig
	MaxKeys       int
	Headers       Headers
	Normalization match.Normalization
	Identity      identity.Resolver
	Claims        claimset.Config
	TrustedHops   int
	Response      decision.Response
	Audit         decision.Audit
}

// LimitConfig is one named limit.
type LimitConfig struct {
	Name      string
	Match     operation.Operation
	Key       []KeyPart // none: one bucket for all
	Missing   OnMissing
	Rate      Rate
	Overrides []Override
	Cost      Cost
	DryRun    bool
}

// OnMissing is what becomes of a request that lacks a part of the key.
type OnMissing string

// The values of onMissingKey.
const (
	MissingShared OnMissing = "shared" // one bucket for all that lack one
	MissingSkip   OnMissing = "skip"   // the limit is not for it
	MissingDeny   OnMissing = "deny"
)

// Override is the rate of some keys.
type Override struct {
	Key       []match.String // a pattern for each part
	Unlimited bool
	Rate      Rate
}

// Cost is what a request takes out of a bucket.
type Cost struct {
	Fixed  int64
	Header string // "": it is fixed
	Max    int64  // that a header may say, and what counts if it says anything else than a number
}

// Headers are which response headers tell a client where it stands.
type Headers string

// The values of headers.
const (
	HeadersIETF Headers = "ratelimit"
	HeadersX    Headers = "x-ratelimit"
	HeadersBoth Headers = "both"
	HeadersNone Headers = "none"
)

// Bounds of a configuration.
const (
	maxLimits      = 100
	maxOverrides   = 1000 // each is tried in turn
	maxMaxKeys     = 4 << 20
	defaultMaxKeys = 65536
)

// Decode reads a configuration. The error is config.Mistakes.
func Decode(raw []byte) (*Config, error) {
	doc, root := config.Parse(raw)
	o := root.Object("mode", "limits", "concurrency", "global", "maxKeys", "headers", "pathNormalization", "identity",
		"claims", "remoteIP", "response", "audit")
	o.Get("concurrency").Unsupported()
	o.Get("global").Unsupported()
	c := &Config{
		Mode:    decision.DecodeMode(o.Get("mode")),
		MaxKeys: int(o.Get("maxKeys").Int(defaultMaxKeys, 1, maxMaxKeys)),
		Headers: Headers(o.Get("headers").OneOf(string(HeadersIETF), string(HeadersIETF), string(HeadersX),
			string(HeadersBoth), string(HeadersNone))),
		Normalization: operation.DecodeNormalization(o.Get("pathNormalization")),
		Identity:      identity.Decode(o.Get("identity")),
		Claims:        claimset.Decode(o.Get("claims")),
		TrustedHops:   clientip.DecodeTrustedHops(o.Get("remoteIP")),
		Response:      decision.DecodeResponse(o.Get("response")),
		Audit:         decision.DecodeAudit(o.Get("audit")),
	}
	limits := o.Get("limits").List()
	if len(limits) > maxLimits {
		o.Get("limits").Mistake("found " + strconv.Itoa(len(limits)) + " limits, expected at most " + strconv.Itoa(maxLimits))
	}
	names := map[string]bool{}
	for _, n := range limits {
		l := decodeLimit(n, c.Normalization)
		if l.Name != "" && names[l.Name] {
			n.Mistake("a second limit named \"" + l.Name + "\"; names are what buckets, records and metrics go by")
		}
		names[l.Name] = true
		c.Limits = append(c.Limits, l)
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func decodeLimit(n config.Node, level match.Normalization) LimitConfig {
	o := n.Object("name", "match", "key", "onMissingKey", "rate", "overrides", "cost", "costFromResponse", "scope", "mode")
	o.Get("costFromResponse").Unsupported()
	if scope := o.Get("scope"); scope.OneOf("instance", "instance", "global") == "global" {
		scope.Unsupported()
	}
	l := LimitConfig{
		Name: o.Require("name", `"per-user"`).String(""),
		Key:  decodeKey(o.Get("key")),
		Missing: OnMissing(o.Get("onMissingKey").OneOf(string(MissingShared), string(MissingShared), string(MissingSkip),
			string(MissingDeny))),
		Rate:   decodeRate(o.Require("rate", `{"requests": 100, "per": "1m"}`)),
		Cost:   decodeCost(o.Get("cost")),
		DryRun: decision.DecodeMode(o.Get("mode")) == decision.DryRun,
	}
	if target := o.Get("match"); target.Present() {
		l.Match = operation.Decode(target.Object(operation.Fields...), level)
		if strings.TrimSpace(strings.Trim(target.Raw(), "{}")) == "" {
			target.Mistake("the object is empty; leave it out to match anything")
		}
	}
	if missing := o.Get("onMissingKey"); missing.Present() && !o.Get("key").Present() {
		missing.Mistake("only with a key")
	}
	checkCost(o.Get("cost"), &l.Cost, &l.Rate)
	overrides := o.Get("overrides").NonEmptyList()
	if len(overrides) > maxOverrides {
		o.Get("overrides").Mistake("found " + strconv.Itoa(len(overrides)) + ", expected at most " + strconv.Itoa(maxOverrides))
	}
	for _, n := range overrides {
		v := decodeOverride(n, len(l.Key))
		if !v.Unlimited {
			checkCost(n.Object("key", "rate", "unlimited").Get("rate"), &l.Cost, &v.Rate)
		}
		l.Overrides = append(l.Overrides, v)
	}
	return l
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

// checkCost refuses a cost that no bucket ever has.
func checkCost(n config.Node, c *Cost, r *Rate) {
	if c.Header == "" && r.Burst > 0 && c.Fixed > r.Burst {
		n.Mistake("each request costs " + strconv.FormatInt(c.Fixed, 10) + ", which is more than the burst of " +
			strconv.FormatInt(r.Burst, 10) + ": none would ever be admitted")
	}
}

func decodeOverride(n config.Node, parts int) Override {
	o := n.Object("key", "rate", "unlimited")
	key := o.Get("key")
	v := Override{Key: config.Compile(key, match.ParseString), Unlimited: o.Get("unlimited").Bool(false)}
	switch {
	case !key.Present():
		n.Mistake(`no key; needed, for example ["alice"]`)
	case key.Value().IsArray() && len(key.List()) != parts:
		key.Mistake("found " + strconv.Itoa(len(key.List())) + " patterns, expected one for each of the key's " +
			strconv.Itoa(parts) + " parts")
	}
	switch rate := o.Get("rate"); {
	case rate.Present():
		v.Rate = decodeRate(rate)
		if v.Unlimited {
			n.Mistake("found a rate and unlimited, expected one of them")
		}
	case !v.Unlimited:
		n.Mistake("found neither a rate nor unlimited: true")
	}
	return v
}

func decodeCost(n config.Node) Cost {
	if !n.Present() {
		return Cost{Fixed: 1}
	}
	if !n.Value().IsObject() {
		return Cost{Fixed: n.Int(1, 1, MaxRequests)}
	}
	o := n.Object("header", "max")
	header := o.Get("header")
	c := Cost{Header: strings.ToLower(header.String("")), Max: o.Get("max").Int(1, 1, MaxRequests)}
	if !header.Present() || !o.Get("max").Present() {
		n.Mistake(`header and max are needed, for example {"header": "x-cost", "max": 50}`)
	}
	if c.Header != "" && !isHeaderName(c.Header) {
		header.Mistake("found \"" + c.Header + "\", which is no header's name")
	}
	return c
}
