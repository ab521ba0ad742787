package waf

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/corazawaf/coraza/v3/types"
	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

// The bounds of an audit record.
const (
	maxMatches = 8   // of one rule
	maxValue   = 200 // bytes of a matched value
)

const masked = "(masked)"

// Audited tells whether the transaction is to be in the audit log: the engine says so (SecAuditEngine), or there is a hit
// and decisions of its effect are logged.
func (t *Transaction) Audited(a decision.Audit) bool {
	if t.tx == nil {
		return false
	}
	if t.audited {
		return true
	}
	if effect := t.decision.Effect; !a.Logs(effect) {
		return false
	}
	any := t.blocked != 0
	t.Hits(func(Hit) bool {
		any = true
		return false
	})
	return any
}

// AppendAudit appends the audit record as one line of JSON: the decision's record, and each rule that matched with what it
// matched. Secrets are masked, and of the request's body and query there is no more than the arguments that matched.
func (t *Transaction) AppendAudit(b []byte, r *decision.Record) []byte {
	b = r.AppendJSON(b)
	b = append(b[:len(b)-1], `,"ruleSet":`...)
	b = jsonstrict.AppendString(b, t.decision.Policy)
	b = append(b, `,"phase":`...)
	if t.blocked != 0 {
		b = jsonstrict.AppendString(b, t.blocked.String())
	} else {
		b = append(b, `""`...)
	}
	if rule, ok := t.WouldBlock(); ok {
		b = strconv.AppendInt(append(b, `,"wouldBlock":`...), int64(rule), 10)
	}
	b = append(b, `,"rules":[`...)
	if t.tx == nil {
		return append(b, `]}`...)
	}
	count := 0
	for _, m := range t.tx.MatchedRules() {
		if l, ok := m.(logged); ok && !l.Log() && !l.Audit() {
			continue
		}
		if count > 0 {
			b = append(b, ',')
		}
		if count++; count > maxHits {
			b = append(b, `{"more":true}`...)
			break
		}
		b = appendRule(b, m)
	}
	return append(b, `]}`...)
}

func appendRule(b []byte, m types.MatchedRule) []byte {
	r := m.Rule()
	b = strconv.AppendInt(append(b, `{"id":`...), int64(r.ID()), 10)
	b = strconv.AppendInt(append(b, `,"phase":`...), int64(r.Phase()), 10)
	b = jsonstrict.AppendString(append(b, `,"severity":`...), severity(r.Severity()))
	b = jsonstrict.AppendString(append(b, `,"message":`...), shorten(m.Message()))
	b = append(b, `,"matches":[`...)
	for i, d := range m.MatchedDatas() {
		if i == maxMatches {
			break
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonstrict.AppendString(append(b, `{"variable":`...), d.Variable().Name())
		b = jsonstrict.AppendString(append(b, `,"name":`...), shorten(d.Key()))
		b = jsonstrict.AppendString(append(b, `,"value":`...), disclosed(d))
		b = append(b, '}')
	}
	return append(b, `]}`...)
}

// disclosed is as much of a value as may be told.
func disclosed(d types.MatchData) string {
	value := d.Value()
	switch d.Variable() {
	case variables.RequestCookies:
		return masked
	case variables.RequestHeaders, variables.ResponseHeaders:
		if isSecretHeader(d.Key()) {
			return masked
		}
		if strings.EqualFold(d.Key(), "referer") || strings.EqualFold(d.Key(), "location") || d.Key() == ":path" {
			value = withoutQuery(value)
		}
	case variables.Args, variables.ArgsGet, variables.ArgsPost, variables.ArgsPath, variables.MultipartPartHeaders:
		if isSecretName(d.Key()) {
			return masked
		}
	case variables.RequestURI, variables.RequestURIRaw, variables.RequestLine:
		value = withoutQuery(value)
	case variables.ArgsNames, variables.ArgsGetNames, variables.ArgsPostNames, variables.RequestHeadersNames,
		variables.RequestCookiesNames, variables.ResponseHeadersNames, variables.RequestMethod, variables.RequestProtocol,
		variables.RequestFilename, variables.RequestBasename, variables.RemoteAddr, variables.ResponseStatus,
		variables.ReqbodyError, variables.MultipartStrictError, variables.ArgumentsLimitReached, variables.FilesNames,
		variables.Files, variables.MultipartFilename, variables.ArgsCombinedSize, variables.FilesCombinedSize,
		variables.ServerName, variables.URIParseError, variables.UrlencodedError, variables.ResponseContentType:
	default:
		// Bodies, the query, and TX, in which rules keep copies of anything.
		return "(" + strconv.Itoa(len(value)) + " bytes)"
	}
	return shorten(value)
}

func isSecretHeader(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization", "cookie", "set-cookie", "x-forwarded-client-cert":
		return true
	}
	return isSecretName(name)
}

// secretWords are what names of secrets have in them, without what may stand between their letters.
var secretWords = []string{"passw", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "privatekey", "credential",
	"authoriz", "session", "signature", "cardnumber", "creditcard", "assertion"}

// secretNames are secrets only as a whole word of a name: as parts they are in harmless ones.
var secretNames = []string{"pass", "auth", "jwt", "otp", "pin", "cvv", "cvc", "iban", "ssn", "sid", "code", "key", "sig", "pw"}

// isSecretName tells whether the value of a name is likely a secret. A name that only looks like it costs a value in the
// audit log; the other way round costs more.
func isSecretName(name string) bool {
	letters := make([]byte, 0, 64)
	word := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && (name[i]|0x20) >= 'a' && (name[i]|0x20) <= 'z' {
			letters = append(letters, name[i]|0x20)
			continue
		}
		if slices.Contains(secretNames, string(letters[word:])) {
			return true
		}
		word = len(letters)
	}
	return slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(string(letters), w) })
}

// withoutQuery cuts a target or URL before its query; what follows the target in a request line is cut with it.
func withoutQuery(s string) string {
	if i := strings.IndexByte(s, '?'); i >= 0 {
		return s[:i] + "?" + masked
	}
	return s
}

// shorten cuts a long value between two characters.
func shorten(s string) string {
	if len(s) <= maxValue {
		return s
	}
	end := maxValue
	for end > maxValue-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "..."
}
