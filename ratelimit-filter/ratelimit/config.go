package ratelimit

import (
	"strconv"

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
	Concurrency   []ConcurrencyConfig
	Global        *GlobalConfig // nil: no limit is global
	MaxKeys       int
	Headers       Headers
	Normalization match.Normalization
	Identity      identity.Resolver
	Claims        claimset.Config
	TrustedHops   int
	Response      decision.Response
	Audit         decision.Audit
}

// Target is which requests a limit is for, and what tells them apart.
type Target struct {
	Name      string
	Match     operation.Operation
	Key       []KeyPart // none: one bucket for all
	Missing   OnMissing
	Overrides []Override
	DryRun    bool
}

// LimitConfig is how often.
type LimitConfig struct {
	Target
	Rate     Rate
	Cost     Cost
	Response ResponseCost
	Global   bool // counted by the rate limit service, for all proxies together
}

// ConcurrencyConfig is how many at a time.
type ConcurrencyConfig struct {
	Target
	Max int64 // requests in flight
}

// OnMissing is what becomes of a request that lacks a part of the key.
type OnMissing string

// The values of onMissingKey.
const (
	MissingShared OnMissing = "shared" // one bucket for all that lack one
	MissingSkip   OnMissing = "skip"   // the limit is not for it
	MissingDeny   OnMissing = "deny"
)

// Override is the limit of some keys.
type Override struct {
	Key       []match.String // a pattern for each part
	Patterns  []string       // as they are written
	Unlimited bool
	Rate      Rate  // of a LimitConfig
	Max       int64 // of a ConcurrencyConfig
}

// Cost is what a request takes out of a bucket.
type Cost struct {
	Fixed  int64
	Header string // "": it is fixed
	Max    int64  // that a header may say, and what counts if it says anything else than a number
}

// ResponseCost is what a response adds to the cost of its request.
type ResponseCost struct {
	Header string // "": nothing
	Max    int64  // that the header may say, and what counts if it says anything else than a number
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
func Decode(raw []byte) (*Config, error) { return config.Decode(raw, DecodeNode) }

// DecodeNode reads a configuration that is a part of a document, which is told of mistakes.
func DecodeNode(n config.Node) *Config {
	o := n.Object("mode", "limits", "concurrency", "global", "maxKeys", "headers", "pathNormalization", "identity",
		"claims", "remoteIP", "response", "audit")
	c := &Config{
		Mode:    decision.DecodeMode(o.Get("mode")),
		Global:  decodeGlobal(o.Get("global")),
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
	names := map[string]bool{}
	limits := listOfLimits(o.Get("limits"))
	c.Limits = make([]LimitConfig, len(limits))
	for i, n := range limits {
		c.Limits[i].decode(n, c)
		checkName(n, c.Limits[i].Name, names)
	}
	concurrency := listOfLimits(o.Get("concurrency"))
	c.Concurrency = make([]ConcurrencyConfig, len(concurrency))
	for i, n := range concurrency {
		c.Concurrency[i].decode(n, c)
		checkName(n, c.Concurrency[i].Name, names)
	}
	return c
}

func listOfLimits(n config.Node) []config.Node {
	limits := n.List()
	if len(limits) > maxLimits {
		n.Mistake("found " + strconv.Itoa(len(limits)) + " limits, expected at most " + strconv.Itoa(maxLimits))
	}
	return limits
}

func checkName(n config.Node, name string, names map[string]bool) {
	if name != "" && names[name] {
		n.Mistake("a second limit named \"" + name + "\"; names are what buckets, records and metrics go by")
	}
	names[name] = true
}
