package jwtauthn

import (
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is a way in which the two do not agree.
type Kind uint8

// The kinds; a class may have several.
const (
	Stricter Kind = 1 << iota // jwt_authn allows what jwt-filter denies
	Looser                    // jwt-filter allows what jwt_authn denies
	Differs                   // both allow, and hand on something else
)

// Class is a reason for which the two do not agree, on purpose.
type Class struct {
	// Name is what the table in jwt-filter/README.md calls the input.
	Name string
	// Kinds of disagreement that it is a reason for; Example shows the one in Shows, or the only one. Where a token that is not valid may pass, what is Stricter or Looser
	// may show as Differs.
	Kinds Kind
	Shows Kind
	// Example is the least request that shows it.
	Example func(Maker) Request
	// of tells whether the request is such an input.
	of func(*view) bool
	// in tells in which headers the upstream may see something else; nil is any.
	in func(name string) bool
}

// Classes are all of them, in the order of the README.
var Classes = []Class{
	// Where a token is.
	{
		Name: "`bearer t`, or a tab after `Bearer`", Kinds: Looser | Stricter | Differs, Shows: Looser,
		Example: func(m Maker) Request { return m.request("/corp", "authorization", "bearer "+m.token("corp").String()) },
		of:      func(v *view) bool { return v.anyValue(siteValue.isRespelled) },
	},
	{
		Name: "several tokens, or something else beside one, in one header or headers of one name", Kinds: Looser | Differs, Shows: Looser,
		Example: func(m Maker) Request {
			return m.request("/corp", "authorization", "Bearer "+m.token("corp").String()+", Basic eDp5")
		},
		of: func(v *view) bool {
			return v.anyValue(func(s siteValue) bool {
				return s.isHeader() && (strings.Contains(s.value, ",") || v.isBesideAnother(s))
			})
		},
	},
	{
		Name: "`Bearer \"t`: something between the scheme and the token", Kinds: Stricter,
		Example: func(m Maker) Request { return m.request("/corp", "authorization", `Bearer "`+m.token("corp").String()) },
		of: func(v *view) bool {
			return v.anyValue(func(s siteValue) bool {
				skipped, _, _ := s.theirs()
				return strings.Trim(skipped, " \t") != ""
			})
		},
	},
	{
		Name: "an empty token: `x-token:`, `?access_token=`, `session=`", Kinds: Looser | Differs, Shows: Looser,
		Example: func(m Maker) Request { return m.request("/optional", "cookie", "session=") },
		of: func(v *view) bool {
			return v.anyValue(func(s siteValue) bool {
				return slices.ContainsFunc(s.cuts(), func(cut string) bool { return strings.Trim(cut, `"`) == "" })
			})
		},
	},
	{
		Name: "a parameter or cookie that is there twice", Kinds: Stricter | Differs, Shows: Stricter,
		Example: func(m Maker) Request {
			return m.request("/corp", "cookie", "session="+m.token("corp").String()+"; session=no-token")
		},
		of: func(v *view) bool {
			return v.anyPair(func(a, b siteValue) bool { return a.provider == b.provider && a.name == b.name && !a.isHeader() })
		},
	},
	{
		Name: "a cookie behind a comma, or with spaces around its name or value", Kinds: Looser | Stricter | Differs, Shows: Looser,
		Example: func(m Maker) Request { return m.request("/corp", "cookie", "a=b, session="+m.token("corp").String()) },
		of: func(v *view) bool {
			return slices.ContainsFunc(v.Headers, func(h Header) bool {
				plain := strings.ReplaceAll(h[1], "\t", " ")
				return h[0] == "cookie" && (strings.Contains(plain, ",") || strings.Contains(plain, " =") || strings.Contains(plain, "= "))
			})
		},
	},
	{
		Name: "a byte beyond ASCII in a header that may have a token", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.request("/optional", "authorization", "Bearer\u00a0"+m.token("corp").String())
		},
		of: func(v *view) bool {
			return slices.ContainsFunc(v.Headers, func(h Header) bool {
				return isPlace(h[0]) && h[0] != "cookie" && strings.ContainsFunc(h[1], func(r rune) bool { return r >= 0x80 })
			})
		},
	},
	{
		Name: "a cookie whose name is that of a token's only once decoded, or without NBSP", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.request("/optional", "cookie", "%73ession="+m.token("corp").String())
		},
		of: func(v *view) bool {
			return slices.ContainsFunc(v.Headers, func(h Header) bool {
				return h[0] == "cookie" && slices.ContainsFunc(strings.FieldsFunc(h[1], isSeparator), func(pair string) bool {
					name, _, _ := strings.Cut(pair, "=")
					decoded, err := url.QueryUnescape(name)
					trimmed := strings.TrimFunc(decoded, func(r rune) bool { return r <= ' ' || r >= 0x7f })
					return err == nil && decoded+trimmed != name+name && trimmed == "session"
				})
			})
		},
	},
	{
		Name: "a token in a cookie", Kinds: Differs,
		Example: func(m Maker) Request { return m.request("/corp", "cookie", "session="+m.token("corp").String()) },
		of:      func(v *view) bool { return v.anyValue(func(s siteValue) bool { return s.name == "cookie" }) },
		in:      func(name string) bool { return name == "cookie" },
	},
	{
		Name: "a query with a raw `;`, a broken escape, a NUL or what is not UTF-8", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.query("/corp", "access_token="+m.token("corp").String()+"&a=%zz")
		},
		of: func(v *view) bool { return !isPlainQuery(v.Query) },
	},
	{
		Name: "parameters beside that of a token", Kinds: Differs,
		Example: func(m Maker) Request {
			return m.query("/corp", "access_token="+m.token("corp").String()+"&a=%26access_token=x")
		},
		of: func(v *view) bool {
			return strings.Contains(v.Query, "&") && v.anyValue(func(s siteValue) bool { return s.name == ":path" })
		},
		in: func(name string) bool { return name == ":path" },
	},
	{
		Name: "an escaped control character in a parameter beside that of a token", Kinds: Looser | Differs, Shows: Looser,
		Example: func(m Maker) Request {
			return m.query("/corp", "access_token="+m.token("corp").String()+"&a=%0d%0ax-corp-user:root")
		},
		of: func(v *view) bool {
			decoded, _ := url.QueryUnescape(v.Query)
			return strings.ContainsFunc(decoded, isControl) && v.anyValue(func(s siteValue) bool { return s.name == ":path" })
		},
	},
	{
		Name: "tokens of two providers in one header that both look in", Kinds: Looser | Differs, Shows: Looser,
		Example: func(m Maker) Request {
			return m.request("/all", "x-token", m.token("corp").String(), "x-token", m.token("partner").String())
		},
		of: func(v *view) bool { return len(v.tokens) > 1 && len(v.wanted) > 1 && v.shared() },
	},
	{
		Name: "a further token where one is enough (`any`)", Kinds: Stricter | Differs, Shows: Stricter,
		Example: func(m Maker) Request {
			return m.request("/any", "x-brief", "token="+m.token("brief").String(), "x-token", "no-token")
		},
		of: func(v *view) bool { return len(v.tokens) > 1 && v.isAny() },
	},
	{
		Name: "two valid tokens of one provider, or one in two places", Kinds: Differs,
		Example: func(m Maker) Request {
			return m.request("/corp", "authorization", "Bearer "+m.token("corp").String(), "x-token", m.token("corp", "sub", `"svc-bob"`).String())
		},
		of: func(v *view) bool { return v.several() },
		in: isOutput,
	},
	{
		Name: "more than 8 tokens", Kinds: Stricter,
		Example: func(m Maker) Request {
			var headers []string
			for i := range 9 {
				headers = append(headers, "x-token", m.token("partner", "jti", quote(string(rune('a'+i)))).String())
			}
			return m.request("/partner", headers...)
		},
		of: func(v *view) bool { return len(v.tokens) > 8 },
	},

	// How it is written.
	{
		Name: "dots before, after or doubled within the token", Kinds: Stricter,
		Example: func(m Maker) Request { return m.request("/corp", "x-token", m.token("corp").String()+".") },
		of: anyToken(func(t *reading) bool {
			return len(t.parts) == 3 && strings.Count(t.raw, ".") > 2
		}),
	},
	{
		Name: "base64url with padding, white space or stray bits", Kinds: Stricter,
		Example: func(m Maker) Request {
			t := m.token("corp")
			t.wrap[2] = func(s string) string { return s[:10] + " " + s[10:] }
			return m.request("/corp", "x-token", t.String())
		},
		of: anyToken(func(t *reading) bool {
			return len(t.parts) == 3 && slices.ContainsFunc(t.parts, func(part string) bool {
				b := lenient64(part)
				return b != nil && encode(b) != part
			})
		}),
	},
	{
		Name: "what is nearly JSON: single quotes, a comma too many, control characters in strings", Kinds: Stricter,
		Example: func(m Maker) Request { return m.request("/corp", "x-token", m.token("corp", "x", "{'a':1,}").String()) },
		of:      anyDocument(func(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), "{") && !json.Valid([]byte(s)) }),
	},
	{
		Name: "JSON nested more than 32 deep", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.request("/corp", "x-token", m.token("corp", "x", strings.Repeat("[", 40)+strings.Repeat("]", 40)).String())
		},
		of: anyDocument(func(s string) bool { return depth(s) > 32 }),
	},

	// Header, key and signature.
	{
		Name: "`typ` other than `JWT`, `at+jwt` or none", Kinds: Stricter,
		Example: func(m Maker) Request {
			t := m.token("corp")
			t.head("typ", `"logout+jwt"`)
			return m.request("/corp", "x-token", t.String())
		},
		of: anyToken(func(t *reading) bool {
			typ, ok := t.head["typ"]
			name, _ := typ.(string)
			return ok && (name == "" && typ != "" || !slices.Contains([]string{"", "jwt", "at+jwt"}, strings.TrimPrefix(strings.ToLower(name), "application/")))
		}),
	},
	{
		Name: "`crit`, or `b64: false`", Kinds: Stricter,
		Example: func(m Maker) Request {
			t := m.token("corp")
			t.head("crit", `["b64"]`)
			return m.request("/corp", "x-token", t.String())
		},
		of: anyToken(func(t *reading) bool {
			_, ok := t.head["crit"]
			return ok || t.head["b64"] == false
		}),
	},
	{
		Name: "HMAC where `algorithms` does not list it", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.request("/corp", "x-token", m.signed("corp", "hs", "HS256").String())
		},
		of: anyToken(func(t *reading) bool { return t.isSigned(func(k *key) bool { return k.family == "HS" }) }),
	},
	{
		Name: "`alg` of another kind than the key", Kinds: Stricter,
		Example: func(m Maker) Request {
			t := m.token("corp")
			t.head("alg", `"ES256"`)
			t.head("kid", `"ed"`)
			t.key = "ed"
			return m.request("/corp", "x-token", t.String())
		},
		of: anyToken(func(t *reading) bool {
			return t.isSigned(func(k *key) bool {
				return keyOf(keyFor(t.algorithm())).family != k.family || k.size() != sizeOf(t.algorithm())
			})
		}),
	},
	{
		Name: "a key whose `use` or `key_ops` is not for signatures", Kinds: Stricter,
		Example: func(m Maker) Request { return m.request("/corp", "x-token", m.signed("corp", "enc", "ES256").String()) },
		of: anyToken(func(t *reading) bool {
			return t.isSigned(func(k *key) bool { return k.use != "" || k.operations != nil })
		}),
	},
	{
		Name: "an ES* signature of another length", Kinds: Stricter,
		Example: func(m Maker) Request {
			t := m.token("corp")
			t.resign = func(s []byte) []byte { return slices.Concat([]byte{0}, s[:32], []byte{0}, s[32:]) }
			return m.request("/corp", "x-token", t.String())
		},
		of: anyToken(func(t *reading) bool {
			return t.isSigned(func(k *key) bool { return k.family == "ES" && len(t.signature) != 2*k.size() })
		}),
	},
	{
		Name: "no `kid`, and an Ed25519 key before the one that signed", Kinds: Looser | Differs, Shows: Looser,
		Example: func(m Maker) Request {
			t := m.signed("partner", "hs", "HS256")
			t.head("kid", "")
			return m.request("/partner", "x-token", t.String())
		},
		of: anyToken(func(t *reading) bool {
			if len(t.signature) == 64 {
				return false
			}
			for _, k := range t.candidates() {
				if k.family == "Ed" {
					return true
				}
			}
			return false
		}),
	},

	// Claims.
	{
		Name: "`exp` of 0, or less than 1", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.request("/partner", "x-token", m.token("partner", "exp", "0").String())
		},
		of: anyToken(func(t *reading) bool {
			exp, ok := t.date("exp")
			return ok && exp >= 0 && exp < 1
		}),
	},
	{
		Name: "a date beyond 10¹² seconds", Kinds: Stricter,
		Example: func(m Maker) Request { return m.request("/corp", "x-token", m.token("corp", "exp", "1e13").String()) },
		of: anyToken(func(t *reading) bool {
			return slices.ContainsFunc(dates, func(name string) bool { d, _ := t.date(name); return d > 1e12 })
		}),
	},
	{
		Name: "the last second of `exp` with its skew", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.request("/corp", "x-token", m.token("corp", "exp", m.date(-60)).String())
		},
		of: func(v *view) bool { return v.anyToken(v.isAtABound) },
	},
	{
		Name: "`maxLifetime`, and an `iat` in the past", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.request("/brief", "x-brief", "token="+m.token("brief", "iat", m.date(-7200)).String())
		},
		of: anyToken(func(t *reading) bool {
			p := t.provider()
			iat, ok := t.date("iat")
			exp, _ := t.date("exp")
			return ok && p != nil && p.MaxLifetime != "" && exp-iat >= 3600
		}),
	},
	{
		Name: "`maxLifetime`, and an `iat` in the future", Kinds: Looser | Differs, Shows: Looser,
		Example: func(m Maker) Request {
			return m.request("/brief", "x-brief", "token="+m.token("brief", "iat", m.date(60), "exp", m.date(3630)).String())
		},
		of: func(v *view) bool {
			return v.anyToken(func(t *reading) bool {
				p, now := t.provider(), float64(v.At.Unix())
				iat, ok := t.date("iat")
				exp, _ := t.date("exp")
				return ok && p != nil && p.MaxLifetime != "" && iat > now && exp-now < 3600+float64(p.Skew)+2
			})
		},
	},
	{
		Name: "`aud` that differs in `http://`, `https://` or a slash at the end", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.request("/corp", "x-token", m.token("corp", "aud", `"http://database/"`).String())
		},
		of: anyToken(func(t *reading) bool {
			return strings.Contains(text(t.claims["aud"]), "://") || strings.Contains(text(t.claims["aud"]), `/"`) || strings.Contains(text(t.claims["aud"]), "records.example")
		}),
	},
	{
		Name: "`cnf` that binds the token to another certificate, or to none", Kinds: Stricter,
		Example: func(m Maker) Request {
			return m.request("/corp", "x-token", m.token("corp", "cnf", `{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`).String())
		},
		of: anyToken(func(t *reading) bool {
			cnf, ok := t.claims["cnf"]
			members, isObject := cnf.(map[string]any)
			return ok && (!isObject || members["x5t#S256"] != nil)
		}),
	},

	// What is handed on.
	{
		Name: "a claim for a header that has a control character", Kinds: Looser | Differs, Shows: Looser,
		Example: func(m Maker) Request {
			return m.request("/corp", "x-token", m.token("corp", "level", `"a\nb"`).String())
		},
		of: anyToken(func(t *reading) bool {
			return t.anyClaim(func(c any) bool {
				s, _ := c.(string)
				return strings.ContainsFunc(s, isControl)
			})
		}),
	},
	{
		Name: "a claim for a header that is a list or an object", Kinds: Differs,
		Example: func(m Maker) Request {
			return m.request("/corp", "x-token", m.token("corp", "level", `["a", "b"]`).String())
		},
		of: anyToken(func(t *reading) bool {
			return t.anyClaim(func(c any) bool {
				switch c.(type) {
				case []any, map[string]any:
					return true
				}
				return false
			})
		}),
		in: isOutput,
	},
	{
		Name: "a claim for a header that is a number but not a plain one", Kinds: Differs,
		Example: func(m Maker) Request { return m.request("/corp", "x-token", m.token("corp", "level", "-5").String()) },
		of: anyToken(func(t *reading) bool {
			return t.anyClaim(func(c any) bool {
				number, ok := c.(json.Number)
				n, err := number.Float64()
				return ok && (err != nil || n < 0 || n >= 1<<53 || n != math.Trunc(n) || strings.ContainsAny(number.String(), ".eE-"))
			})
		}),
		in: isOutput,
	},
	{
		Name: "a claim for a header that is the empty string", Kinds: Differs,
		Example: func(m Maker) Request { return m.request("/corp", "x-token", m.token("corp", "level", `""`).String()) },
		of: anyToken(func(t *reading) bool {
			return t.anyClaim(func(c any) bool { return c == "" })
		}),
		in: isOutput,
	},
	{
		Name: "a claim for a header with a space at an end", Kinds: Differs,
		Example: func(m Maker) Request { return m.request("/corp", "x-token", m.token("corp", "level", `" x"`).String()) },
		of: anyToken(func(t *reading) bool {
			return t.anyClaim(func(c any) bool { s, ok := c.(string); return ok && s != strings.Trim(s, " ") })
		}),
		in: isOutput,
	},
	{
		Name: "a claim for a header whose own name has dots", Kinds: Differs,
		Example: func(m Maker) Request {
			return m.request("/corp", "x-token", m.token("corp", "https://corp.example/role", `"admin"`).String())
		},
		of: anyToken(func(t *reading) bool {
			_, role := t.claims["https://corp.example/role"]
			_, dept := t.claims["org.dept"]
			return role || dept
		}),
		in: isOutput,
	},
	{
		Name: "a token that is not valid, under `permissive`", Kinds: Differs,
		Example: func(m Maker) Request { return m.request("/permissive", "x-token", "no-token") },
		of:      func(v *view) bool { return strings.HasPrefix(v.Path, "/permissive") && len(v.tokens) > 0 },
		in:      isPlace,
	},
	{
		Name: "a valid token beside one that is not, under `permissive`", Kinds: Differs,
		Example: func(m Maker) Request {
			return m.request("/permissive", "x-token", "no-token", "x-token", m.token("corp").String())
		},
		of: func(v *view) bool { return strings.HasPrefix(v.Path, "/permissive") && len(v.tokens) > 1 },
		in: isOutput,
	},
	{
		Name: "a place that two providers share, of which one forwards", Kinds: Differs,
		Example: func(m Maker) Request { return m.request("/either", "x-token", m.token("partner").String()) },
		of:      func(v *view) bool { return v.shared() },
		in:      func(name string) bool { return name == "x-token" },
	},
	{
		Name: "a path that no rule is for", Kinds: Stricter | Differs, Shows: Stricter,
		Example: func(m Maker) Request { return m.request(unruled) },
		of:      func(v *view) bool { return v.Path == unruled },
	},
}

var dates = []string{"exp", "nbf", "iat"}

// isOutput tells whether a header is one that claims are handed on by.
func isOutput(name string) bool {
	return slices.ContainsFunc(Providers, func(p Provider) bool {
		return name == p.PayloadHeader || slices.ContainsFunc(p.Claims, func(h Header) bool { return h[0] == name })
	})
}

// isPlace tells whether a header is one that tokens are in.
func isPlace(name string) bool {
	return name == "cookie" || name == ":path" || slices.ContainsFunc(Providers, func(p Provider) bool {
		return slices.ContainsFunc(p.Headers, func(h Header) bool { return h[0] == name })
	})
}

// Explain finds the classes that are a reason for a disagreement over a request; headers are those that differ, for
// Differs. None is no reason.
func Explain(q *Request, kind Kind, headers []string) []string {
	v := look(q)
	var found []string
	unexplained := slices.Clone(headers)
	for i := range Classes {
		c := &Classes[i]
		if !c.is(kind, v) {
			continue
		}
		if kind == Differs && c.in != nil {
			if !slices.ContainsFunc(headers, c.in) {
				continue
			}
			unexplained = slices.DeleteFunc(unexplained, c.in)
		} else {
			unexplained = nil
		}
		found = append(found, c.Name)
	}
	if len(unexplained) > 0 {
		return nil
	}
	return found
}

func (c *Class) is(kind Kind, v *view) bool {
	// Where a token that one of the two refuses may pass, it shows in what is handed on.
	passes := strings.HasPrefix(v.Path, "/permissive") || v.Path == unruled
	shows := c.Kinds&kind != 0 || kind == Differs && passes && c.Kinds&(Stricter|Looser) != 0
	return shows && c.of(v)
}

func (v *view) anyValue(is func(siteValue) bool) bool { return slices.ContainsFunc(v.values, is) }

func (v *view) anyToken(is func(*reading) bool) bool { return slices.ContainsFunc(v.tokens, is) }

func anyToken(is func(*reading) bool) func(*view) bool {
	return func(v *view) bool { return v.anyToken(is) }
}

func anyDocument(is func(string) bool) func(*view) bool {
	return anyToken(func(t *reading) bool { return slices.ContainsFunc(t.documents(), is) })
}

// isAny tells whether one of several providers is enough.
func (v *view) isAny() bool {
	for _, rule := range Rules {
		if rule.Path == v.Path {
			r := &rule.Require
			for _, inner := range []*Require{r.Optional, r.Permissive} {
				if inner != nil {
					r = inner
				}
			}
			return r.Any != nil
		}
	}
	return false
}

// shared tells whether two of the wanted providers look in one header that the request has.
func (v *view) shared() bool {
	return v.anyPair(func(a, b siteValue) bool { return a.provider != b.provider && a.name == b.name })
}

func (v *view) anyPair(is func(a, b siteValue) bool) bool {
	for i, a := range v.values {
		if slices.ContainsFunc(v.values[i+1:], func(b siteValue) bool { return is(a, b) }) {
			return true
		}
	}
	return false
}

func isSeparator(r rune) bool { return r == ';' || r == ',' }

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// isPlainQuery tells whether a query is one that everybody reads the same way.
func isPlainQuery(query string) bool {
	decoded, err := url.QueryUnescape(query)
	return err == nil && utf8.ValidString(decoded) && !strings.ContainsAny(query, ";#") && !strings.Contains(decoded, "\x00")
}

// isBesideAnother tells whether there is no token in the header, but in one of its name.
func (v *view) isBesideAnother(s siteValue) bool {
	return len(s.cuts()) == 0 && v.anyValue(func(other siteValue) bool { return other.name == s.name && len(other.cuts()) > 0 })
}

// several tells whether two headers have a token that says it is of the provider that looks there.
func (v *view) several() bool {
	count := map[*Provider]int{}
	for _, s := range v.values {
		if slices.ContainsFunc(s.cuts(), func(cut string) bool { return read(cut).is(s.provider) }) {
			count[s.provider]++
		}
	}
	return slices.ContainsFunc(v.wanted, func(p *Provider) bool { return count[p] > 1 })
}

// isRespelled tells whether a prefix is there in other letters.
func (s siteValue) isRespelled() bool {
	for part := range strings.SplitSeq(s.value, ",") {
		if at := indexFold(part, s.prefix); at >= 0 && part[at:at+len(s.prefix)] != s.prefix {
			return true
		}
	}
	return false
}

// isSigned tells whether jwt_authn accepts the signature by such a key.
func (t *reading) isSigned(is func(*key) bool) bool {
	k := t.signer()
	return k != nil && is(k)
}

// anyClaim tells whether one of the claims that are handed on in a header is so.
func (t *reading) anyClaim(is func(any) bool) bool {
	p := t.provider()
	if p == nil {
		return false
	}
	for _, h := range p.Claims {
		if claim, ok := lookUp(t.claims, h[1]); ok && is(claim) {
			return true
		}
	}
	return false
}

func lookUp(claims map[string]any, name string) (any, bool) {
	if c, ok := claims[name]; ok {
		return c, true
	}
	outer, inner, ok := strings.Cut(name, ".")
	if !ok {
		return nil, false
	}
	object, _ := claims[outer].(map[string]any)
	return lookUp(object, inner)
}

// isAtABound tells whether a time is so near to where it matters that what counts is how it is rounded.
func (v *view) isAtABound(t *reading) bool {
	now := float64(v.At.Unix())
	for _, p := range v.wanted {
		exp, hasExp := t.date("exp")
		nbf, hasNbf := t.date("nbf")
		if hasExp && (math.Abs(exp+float64(p.Skew)-now) <= 2 || p.MaxLifetime != "" && math.Abs(exp-now-3600) <= 2) ||
			hasNbf && math.Abs(nbf-float64(p.Skew)-now) <= 2 {
			return true
		}
	}
	return false
}
