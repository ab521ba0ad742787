package jwtauthn

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"
)

// Random makes up requests; the same seed makes the same, but for the keys and the time.
type Random struct{ *rand.Rand }

// NewRandom starts with a seed.
func NewRandom(seed uint64) Random { return Random{rand.New(rand.NewPCG(seed, 1))} }

// Request is one request.
type Request struct {
	Path    string
	Query   string // as it is sent; "" is none
	Headers []Header
	// At is when it was made: its tokens' times count from here.
	At time.Time
	// Made says what it was made of, for whoever looks into a disagreement.
	Made []string
}

// Request makes up a request.
func (r Random) Request(now time.Time) Request {
	rule := r.IntN(len(Rules) + 1)
	q := Request{Path: unruled, At: now}
	if rule < len(Rules) {
		q.Path = Rules[rule].Path
	}
	wanted := providers(q.Path)
	if len(wanted) == 0 || r.chance(12) {
		wanted = providers(unruled) // all
	}
	// One token for the most part, sometimes one for each, and sometimes more than are looked at.
	n := []int{1, 1, 1, 1, 1, 1, 1, 0, len(wanted), len(wanted), 2, 3}[r.IntN(12)]
	if r.chance(200) {
		n = 10
	}
	for i := range n {
		p := wanted[i%len(wanted)]
		if n == 1 {
			p = wanted[r.IntN(len(wanted))]
		}
		t := r.token(&q, p)
		if n == 10 {
			t.claim("jti", quote(fmt.Sprint(i)))
			q.Headers = append(q.Headers, Header{"x-token", t.String()})
			continue
		}
		r.place(&q, p, t.String())
	}
	if n > 1 && r.chance(5) {
		r.join(&q)
	}
	if r.chance(8) {
		q.Headers = append(q.Headers, Header{r.of("x-corp-user", "x-corp-payload", "x-corp-level", "x-partner-user", "x-brief-user"), "root"})
	}
	r.Shuffle(len(q.Headers), func(i, j int) { q.Headers[i], q.Headers[j] = q.Headers[j], q.Headers[i] })
	return q
}

// token makes up a token, with up to three faults.
func (r Random) token(q *Request, p *Provider) *token {
	algorithms := Algorithms[:len(Algorithms)-3]
	if p.Algorithms != nil {
		algorithms = Algorithms
	}
	t := newToken(p, r.of(algorithms...), q.At)
	if r.chance(5) {
		t.head("kid", "")
	}
	made := p.Name + " " + t.algorithm
	for range []int{0, 0, 0, 1, 1, 1, 1, 1, 2, 3}[r.IntN(10)] {
		f := faults[r.IntN(len(faults))]
		f.add(r, t)
		made += ", " + f.name
	}
	q.Made = append(q.Made, made)
	return t
}

// Target is the path with the query.
func (q *Request) Target() string {
	if q.Query == "" {
		return q.Path
	}
	return q.Path + "?" + q.Query
}

// place puts a token where a provider looks, or nearly there.
func (r Random) place(q *Request, p *Provider, token string) {
	if r.chance(20) {
		p = &Providers[r.IntN(len(Providers))]
	}
	switch {
	case p.Params != nil && r.chance(4):
		r.placeInQuery(q, p.Params[0], token)
		return
	case p.Cookies != nil && r.chance(4):
		r.placeInCookies(q, p.Cookies[0], token)
		return
	}
	site := p.Headers[r.IntN(len(p.Headers))]
	name, prefix, suffix := site[0], site[1], ""
	if r.chance(6) {
		switch prefix {
		case "Bearer ":
			prefix = r.of("bearer ", "BEARER ", "Bearer\t", "Bearer  ", "Bearer \t", "Bearer:", "Bearer", "Bearer= ", "Token ", "xBearer ", "xbearer ", "Basic eDp5 Bearer ", "Basic eDp5, Bearer ",
				"Basic eDp5,bearer ", `Bearer "`, "Bearer =", "Bearer ,", "Bearer Bearer ", ", Bearer ", "Bearer x ", "Digest a=\"Bearer ", "Bearer\u00a0", "Bearer \xff", "\u00e9 Bearer ", "")
		case "":
			prefix = r.of(" ", "Bearer ", `"`, ",", "x,", "=", "x ", "\u00a0")
		default:
			prefix = r.of("TOKEN=", "Token=", "token= ", `token="`, "xtoken=", "a=b; token=", "token==", "token", "token=,", "a,token=", "token =", "")
		}
		q.Made = append(q.Made, fmt.Sprintf("after %q", prefix))
	}
	if r.chance(20) {
		suffix = r.of(",", ", Basic eDp5", ",Basic eDp5", " x", ";", `"`, ", ", " ", "\t", ",,", "=", ".", ", x")
		q.Made = append(q.Made, fmt.Sprintf("before %q", suffix))
	}
	if r.chance(15) {
		// Another credential beside it.
		q.Headers = append(q.Headers, Header{"authorization", r.of("Basic eDp5", "Negotiate x", "Bearer", "")})
	}
	q.Headers = append(q.Headers, Header{name, prefix + token + suffix})
}

// placeInQuery makes a parameter of a token, and puts something beside it.
func (r Random) placeInQuery(q *Request, name, token string) {
	escaped := url.QueryEscape(token)
	if r.chance(4) {
		escaped = strings.NewReplacer(".", "%2E", "e", "%65").Replace(escaped)
	}
	if r.chance(8) {
		name = r.of("access%5Ftoken", "Access_Token", "access_token[]", "access_token+", "%20access_token", "xaccess_token", "access_token%00")
	}
	pairs := []string{name + "=" + escaped}
	if r.chance(2) {
		pairs = append(pairs, r.of("a=b", "a", "=", "", "a=%41&b=+", "a=%2f", "A=B&a=c&a=b", "access_token", "access_token=", "a=b;c=d", ";", "a=%zz", "a=%f", "a=%ff", "%ff=a", "a=%00",
			"a=b=c", "a=?", "a=%26access_token=x", "access_token=x", pairs[0], "a='", "a=(b)*", "a=~!$,/:@", "z=1&y=2", `a="`, "a=[b]", "a=%E9", "a=%c3%a9", "a=%0d%0ax:1", "%7F", "a=%20b"))
	}
	if q.Query != "" {
		pairs = append(pairs, q.Query)
	}
	r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	q.Query = strings.Join(pairs, "&")
	q.Made = append(q.Made, "in the query")
}

// placeInCookies makes a cookie of a token, and puts something beside it.
func (r Random) placeInCookies(q *Request, name, token string) {
	form := r.of("%n=%t", "%n=%t", "%n=%t", "%n=%t", `%n="%t"`, "a=b; %n=%t", "%n=%t; a=b", "a=b;%n=%t;c=d", "%n=%t; %n=x", "%n=x; %n=%t", "%n=%t; %n=%t", "%n=; %n=%t", "%n=%t; %n=", " %n = %t ",
		"%n =%t", "%n= %t", "Session=%t", "x%n=%t", "$%n=%t", "%n=%t,a=b", "a=b,%n=%t", "a=b, %n=%t", `a="b; %n=%t"`, `a="; %n=%t; b="`, "%n", "%n=", `%n="%t`, `%n=%t"`, "a; %n=%t", "=; %n=%t", ";;%n=%t;;",
		"%n=%t;", "%n==%t", `%n=""`, "%73ession=%t", "%n=%t; %73ession=x", "s%65ssion=%t", "\u00a0%n=%t", "%n=%t; a=\u00e9", "%n=\u00a0%t", "+%n=%t", "%20%n=%t")
	value := strings.NewReplacer("%n", name, "%t", strings.NewReplacer(";", "", ",", "").Replace(token)).Replace(form)
	q.Headers = append(q.Headers, Header{"cookie", value})
	q.Made = append(q.Made, "in a cookie "+form)
}

// join makes one header of the first two of a name, or has one of them twice.
func (r Random) join(q *Request) {
	between := r.of(",", ", ", " , ", " ")
	for i := range q.Headers {
		for j := i + 1; j < len(q.Headers); j++ {
			if q.Headers[i][0] == q.Headers[j][0] {
				q.Headers[i][1] += between + q.Headers[j][1]
				q.Headers = append(q.Headers[:j], q.Headers[j+1:]...)
				q.Made = append(q.Made, "joined")
				return
			}
		}
	}
	if len(q.Headers) > 0 {
		q.Headers = append(q.Headers, q.Headers[r.IntN(len(q.Headers))])
		q.Made = append(q.Made, "repeated")
	}
}

func (r Random) of(from ...string) string { return from[r.IntN(len(from))] }

// chance is true once in n.
func (r Random) chance(n int) bool { return r.IntN(n) == 0 }

// String is the request as one would say it to a colleague.
func (q Request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s (%s)\n", q.Target(), strings.Join(q.Made, "; "))
	for _, h := range append(q.Headers[:len(q.Headers):len(q.Headers)], Header{"query", q.Query}) {
		fmt.Fprintf(&b, "%s: %q\n", h[0], h[1])
		for word := range strings.FieldsFuncSeq(h[1], func(r rune) bool { return strings.ContainsRune(" ,=;&\"", r) }) {
			if len(word) < 40 {
				continue
			}
			t := read(word)
			fmt.Fprintf(&b, "  header %q\n  claims %q\n  signature of %d bytes\n", t.header, t.payload, len(t.signature))
		}
	}
	return b.String()
}
