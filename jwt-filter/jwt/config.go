package jwt

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/decision"
	workload "github.com/palisade-mesh/palisade/filters/identity"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/operation"
)

// Config is a jwt-filter configuration as its author wrote it, decoded and checked.
type Config struct {
	Mode          decision.Mode
	Normalization match.Normalization
	Providers     []ProviderConfig
	Rules         []RuleConfig
	Cache         CacheConfig
	Response      decision.Response
	Audit         decision.Audit
	BypassCORS    bool              // bypassCorsPreflight
	Clients       workload.Resolver // whose certificate a token may be bound to
}

// ProviderConfig is one issuer of tokens and what is demanded of them.
type ProviderConfig struct {
	Name           string
	Issuer         string
	Audiences      []string       // any of; nil: not checked
	Subjects       []match.String // any of; nil: not checked
	Keys           []*Key         // of jwks
	Remote         *RemoteKeys    // where they are fetched from instead; nil: they are not
	Headers        []HeaderLocation
	Params         []string // query parameters that may carry a token
	Cookies        []string
	Forward        bool   // forwardOriginalToken
	PayloadHeader  string // outputPayloadToHeader
	ClaimHeaders   []ClaimHeader
	SpaceDelimited []string
	ClockSkew      time.Duration
	RequireExp     bool
	MaxLifetime    time.Duration // 0: no limit
	Types          []string      // in lower case, without "application/"
	RFC9068        bool
	Required       []RequiredClaim
	Binding        Binding

	algorithms algorithmSet
	foreign    []string // how no subject begins, because it would read as another issuer's
}

// HeaderLocation is a header that may carry a token.
type HeaderLocation struct{ Name, Prefix string }

// ClaimHeader is a claim that is handed on as a header.
type ClaimHeader struct{ Header, Claim string }

// RequiredClaim is a claim that must have one of some values.
type RequiredClaim struct {
	Claim  string
	Values []match.String
}

// Binding is whether a token is bound to the client's certificate (RFC 8705 section 3).
type Binding string

// The values of certificateBound.
const (
	BindingOff       Binding = "off"
	BindingIfPresent Binding = "if-present"
	BindingRequired  Binding = "required"
)

// CacheConfig bounds the cache of verified tokens: in number, by the size of a token that is kept, and by what is kept of
// all of them, in bytes.
type CacheConfig struct{ Entries, MaxTokenBytes, MaxBytes int }

// RuleConfig is what is required of the requests that match an operation.
type RuleConfig struct {
	Path    string // where it stands, as "rules[0]"
	Match   operation.Operation
	Require Requirement
}

const (
	maxSkew     = time.Hour
	maxDuration = 365 * 24 * time.Hour
	maxRequire  = 8 // nesting of require
)

// Decode reads a configuration. The error is config.Mistakes.
func Decode(raw []byte) (*Config, error) { return config.Decode(raw, DecodeNode) }

// DecodeNode reads a configuration that is a part of a document, which is told of mistakes.
func DecodeNode(n config.Node) *Config {
	o := n.Object("mode", "pathNormalization", "providers", "rules", "cache", "response", "audit", "bypassCorsPreflight",
		"identity")
	c := &Config{
		Mode:       decision.DecodeMode(o.Get("mode")),
		Response:   decision.DecodeResponse(o.Get("response")),
		Audit:      decision.DecodeAudit(o.Get("audit")),
		BypassCORS: o.Get("bypassCorsPreflight").Bool(false),
		Clients:    workload.Decode(o.Get("identity")),
	}
	c.Normalization = operation.DecodeNormalization(o.Get("pathNormalization"))
	cache := o.Get("cache").Object("entries", "maxTokenBytes", "maxBytes")
	c.Cache = CacheConfig{
		Entries:       int(cache.Get("entries").Int(1000, 0, 1_000_000)),
		MaxTokenBytes: int(cache.Get("maxTokenBytes").Int(4096, 256, MaxTokenBytes)),
		MaxBytes:      int(cache.Get("maxBytes").Int(2<<20, 64<<10, 256<<20)),
	}
	providers := o.Require("providers", `{"corp": {"issuer": "https://idp.example", "jwks": {"keys": [...]}}}`)
	members := providers.Members()
	if providers.Present() && len(members) == 0 {
		providers.Mistake("name at least one provider")
	}
	c.Providers = make([]ProviderConfig, len(members))
	for i, m := range members {
		c.Providers[i].decode(m)
	}
	if len(c.Providers) > maxProviders {
		providers.Mistake("found " + strconv.Itoa(len(c.Providers)) + " providers; at most " + strconv.Itoa(maxProviders))
	}
	c.tellIssuersApart()
	rules := o.Get("rules").List()
	c.Rules = make([]RuleConfig, len(rules))
	for i, n := range rules {
		rule := n.Object("match", "require")
		c.Rules[i].Path = "rules[" + strconv.Itoa(i) + "]"
		c.Rules[i].Match.Decode(rule.Get("match").Object(operation.Fields...), c.Normalization)
		c.Rules[i].Require = c.decodeRequirement(rule.Require("require", `{"provider": "corp"}`), 0)
	}
	return c
}

// tellIssuersApart finds the issuers whose names go on where another's ends. A request principal is issuer + "/" + subject,
// so a subject of the shorter one could read as one of the longer.
func (c *Config) tellIssuersApart() {
	for i := range c.Providers {
		p := &c.Providers[i]
		for j := range c.Providers {
			if rest, ok := strings.CutPrefix(c.Providers[j].Issuer, p.Issuer+"/"); ok {
				p.foreign = append(p.foreign, rest+"/")
			}
		}
	}
}

func (p *ProviderConfig) decode(m config.Member) {
	o := m.Node.Object("issuer", "audiences", "subjects", "algorithms", "jwks", "jwksUri", "jwksCluster", "timeout",
		"jwksCacheDuration", "jwksRefreshOnUnknownKid", "fromHeaders", "fromParams", "fromCookies", "forwardOriginalToken",
		"outputPayloadToHeader", "outputClaimToHeaders", "spaceDelimitedClaims", "clockSkew", "requireExpiration",
		"maxLifetime", "types", "profile", "requiredClaims", "certificateBound")
	p.Name = m.Name
	p.Issuer = o.Require("issuer", `"https://idp.example"`).String("")
	p.Audiences = o.Get("audiences").Strings()
	p.Subjects = decodePatterns(o.Get("subjects"))
	p.Forward = o.Get("forwardOriginalToken").Bool(false)
	p.ClockSkew = o.Get("clockSkew").Duration(time.Minute, 0, maxSkew)
	p.RequireExp = o.Get("requireExpiration").Bool(true)
	p.MaxLifetime = o.Get("maxLifetime").Duration(0, time.Second, maxDuration)
	p.RFC9068 = o.Get("profile").OneOf("none", "none", "rfc9068") == "rfc9068"
	p.Binding = Binding(o.Get("certificateBound").OneOf(string(BindingIfPresent),
		string(BindingOff), string(BindingIfPresent), string(BindingRequired)))
	p.SpaceDelimited = []string{"scope", "permission"} // as Istio does
	if m.Name == "" {
		m.Node.Mistake("a provider's name is not empty")
	}
	if n := o.Get("spaceDelimitedClaims"); n.Present() {
		p.SpaceDelimited = nil
		for _, e := range n.List() {
			p.SpaceDelimited = append(p.SpaceDelimited, e.String(""))
		}
	}
	p.algorithms = defaultAlgorithms
	if n := o.Get("algorithms"); n.Present() {
		p.algorithms = 0
		for _, e := range n.NonEmptyList() {
			a, _ := ParseAlgorithm(e.OneOf("", AlgorithmNames...))
			p.algorithms |= 1 << a
		}
	}
	p.decodeKeys(o)
	p.decodeLocations(o)
	p.decodeOutputs(o)
	p.Types = []string{"", "jwt", "at+jwt"}
	if n := o.Get("types"); n.Present() {
		p.Types = nil
		for _, e := range n.NonEmptyList() {
			typ := strings.TrimPrefix(strings.ToLower(e.String("")), "application/")
			if p.RFC9068 && typ != "at+jwt" {
				e.Mistake("profile rfc9068 accepts at+jwt and nothing else (RFC 9068 section 4)")
			}
			p.Types = append(p.Types, typ)
		}
	} else if p.RFC9068 {
		p.Types = []string{"at+jwt"} // RFC 9068 section 4
	}
	if p.RFC9068 && p.Audiences == nil && o.Node().Present() {
		o.Get("audiences").Mistake("missing; profile rfc9068 demands that the audience is checked")
	}
	for _, n := range o.Get("requiredClaims").List() {
		c := n.Object("claim", "values")
		p.Required = append(p.Required, RequiredClaim{
			Claim:  c.Require("claim", `"email_verified"`).String(""),
			Values: decodePatterns(c.Require("values", `["true"]`)),
		})
	}
}

func (p *ProviderConfig) decodeKeys(o *config.Object) {
	n := o.Get("jwks")
	p.Remote = decodeRemote(o)
	switch {
	case p.Remote != nil && n.Present():
		n.Mistake("either jwks or jwksUri, not both")
		return
	case p.Remote != nil:
		return
	case !n.Present():
		if o.Node().Present() {
			n.Mistake(`missing; needed, for example {"keys": [{"kty": "EC", ...}]}, or jwksUri with jwksCluster`)
		}
		return
	}
	keys, err := ParseKeys(n.Value())
	if err != nil {
		n.Mistake(err.Error())
		return
	}
	if p.Keys = p.fitting(keys); len(p.Keys) == 0 {
		n.Mistake("no key fits the provider's algorithms (HS256, HS384 and HS512 are accepted only where they are listed)")
	}
}

// fitting are the keys for an algorithm that the provider accepts, not nil.
func (p *ProviderConfig) fitting(keys []*Key) []*Key {
	fit := make([]*Key, 0, len(keys))
	for _, k := range keys {
		if k.algorithms&p.algorithms != 0 {
			fit = append(fit, k)
		}
	}
	return fit
}

// handsOn tells whether claims are handed on by a header.
func (p *ProviderConfig) handsOn(header string) bool {
	return p.PayloadHeader == header || slices.ContainsFunc(p.ClaimHeaders, func(o ClaimHeader) bool { return o.Header == header })
}

func (p *ProviderConfig) decodeOutputs(o *config.Object) {
	if n := o.Get("outputPayloadToHeader"); n.Present() {
		p.PayloadHeader = decodeOutputName(n)
	}
	for _, n := range o.Get("outputClaimToHeaders").List() {
		c := n.Object("header", "claim")
		header := decodeOutputName(c.Require("header", `"x-user"`))
		if header != "" && p.handsOn(header) {
			c.Get("header").Mistake("found \"" + header + "\" once more; a header hands on one thing")
		}
		p.ClaimHeaders = append(p.ClaimHeaders, ClaimHeader{Header: header, Claim: c.Require("claim", `"sub"`).String("")})
	}
}

// framing are headers by which HTTP finds the end of a message or of a connection. What a token says must not be there.
// Nor in cookie, of which a part may stay.
var framing = []string{"connection", "cookie", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

func decodeOutputName(n config.Node) string {
	name := decodeHeaderName(n)
	if slices.Contains(framing, name) {
		n.Mistake(name + " cannot be used for this")
	}
	return name
}

// decodeHeaderName reads a field name (RFC 9110 section 5.1) in lower case. Pseudo-headers and host are
// what Envoy routes by, so they are neither read from nor written to.
func decodeHeaderName(n config.Node) string {
	name := strings.ToLower(n.String(""))
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}", c) >= 0 {
			n.Mistake("found \"" + name + "\", expected a header's name")
			return ""
		}
	}
	if name == "host" {
		n.Mistake("host cannot be used for this")
	}
	return name
}

func decodePatterns(n config.Node) []match.String { return config.Compile(n, match.ParseString) }
