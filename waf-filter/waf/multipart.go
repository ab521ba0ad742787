package waf

import (
	"mime"
	"strings"

	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
)

// checkMultipart looks for what another reader of a multipart body takes for something else than the engine does, which would then
// have inspected another request than the application gets. The engine reads a body as Go does, and drops the contents of files;
// PHP, for one, reads on behind the end, ends a line at a LF, knows single quotes and no filename*. What RFC 7578 has no use for
// counts as MULTIPART_STRICT_ERROR, as ModSecurity has it; what clients do send is inspected both ways.
func checkMultipart(v plugintypes.TransactionVariables, contentType, body string) {
	m := multipartBody{rest: body, cut: v.InboundDataError().Get() == "1", variables: v}
	if m.boundary = boundaryOf(contentType); m.boundary == "" || !m.read() {
		set(v.MultipartStrictError(), "1")
	}
}

// maxParts bounds the parts, which SecArgumentsLimit does not: each is a value that all rules look at. It is the same number.
const maxParts = 1000

// boundaryOf is the boundary that a content type has in the eyes of all readers, "" if there is none: some take what follows the
// first "boundary", even in the value of another parameter.
func boundaryOf(contentType string) string {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	boundary := parameters["boundary"]
	i := strings.Index(strings.ToLower(contentType), "boundary")
	if i < 0 {
		return ""
	}
	_, first, _ := strings.Cut(contentType[i:], "=")
	after, ok := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(first), `"`), boundary)
	if !ok || after != "" && strings.IndexByte("\"; \t", after[0]) < 0 {
		return ""
	}
	return boundary
}

// multipartBody is a body that is being checked.
type multipartBody struct {
	boundary  string
	rest      string // that is not read yet
	cut       bool   // at SecRequestBodyLimit: there is no end to be found
	newline   string // that lines end in: the first one decides, as it does for Go
	variables plugintypes.TransactionVariables
}

// read reads all parts, and tells whether there is but one way to.
func (m *multipartBody) read() bool {
	delimiter := "--" + m.boundary
	before, rest, found := strings.Cut(m.rest, delimiter)
	if !found || strings.Trim(before, "\r\n") != "" {
		return false
	}
	for range maxParts {
		if after, end := strings.CutPrefix(rest, "--"); end {
			return strings.Trim(after, " \t\r\n") == ""
		}
		if m.newline == "" {
			m.newline = "\r\n"
			if strings.HasPrefix(rest, "\n") {
				m.newline = "\n"
			}
		}
		part, ok := strings.CutPrefix(rest, m.newline)
		if !ok {
			return m.cut && len(rest) < 2
		}
		part, rest, found = cutLine(part, delimiter)
		if !found {
			return m.part(part) && m.cut
		}
		part, ok = strings.CutSuffix(part, m.newline)
		if !ok && part != "" || !m.part(part) {
			return false
		}
	}
	return false
}

// cutLine cuts a text at the first delimiter that begins a line, whatever the line before ends in.
func cutLine(text, delimiter string) (before, after string, found bool) {
	for from := 0; ; {
		i := strings.Index(text[from:], delimiter)
		if i < 0 {
			return text, "", false
		}
		i += from
		if i == 0 || text[i-1] == '\n' || text[i-1] == '\r' {
			return text[:i], text[i+len(delimiter):], true
		}
		from = i + 1
	}
}

// part reads one part. What the engine did not read as a reader may is given to rules, too.
func (m *multipartBody) part(text string) bool {
	var d disposition
	encoded := false
	for {
		line, rest, found := strings.Cut(text, m.newline)
		if !found {
			return m.cut || text == "" // headers, and nothing behind them
		}
		if text = rest; line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(line, "\r\n\x00") || strings.ContainsAny(name, " \t") {
			return false // among them are folded lines
		}
		switch value = strings.Trim(value, " \t"); {
		case strings.EqualFold(name, "content-disposition"):
			if d.found || !d.read(value) {
				return false
			}
		case strings.EqualFold(name, "content-transfer-encoding") && strings.EqualFold(value, "quoted-printable"):
			encoded = true
		}
	}
	if !d.found {
		return false
	}
	if encoded { // Go decodes it, and takes the header away; browsers never encode, and most servers do not decode
		m.variables.MultipartPartHeaders().Add(d.name, "Content-Transfer-Encoding: quoted-printable")
	}
	if encoded || d.doubtful {
		m.variables.ArgsPost().Add(strings.Clone(d.name), text)
	}
	return true
}

// disposition is the Content-Disposition of a part.
type disposition struct {
	found bool
	name  string
	// doubtful tells that the part may be a file to some, whose contents nobody inspects, and a field to others: its filename* is
	// for few (RFC 7578 section 4.2 forbids it), or what a backslash does to a quote decides where the filename begins.
	doubtful bool
}

// read reads the header's value. What is not in quotes must be so plain that there is but one way to take it.
func (d *disposition) read(value string) bool {
	d.found = true
	_, parameters, err := mime.ParseMediaType(value)
	if err != nil {
		return false
	}
	d.name = parameters["name"]
	extended, isFile := false, false
	for i, p := range splitParameters(value) {
		name, text, _ := strings.Cut(strings.Trim(p, " \t"), "=")
		name = strings.ToLower(name)
		switch {
		case i == 0: // form-data
		case name == "filename*":
			extended = true
			text = strings.ReplaceAll(text, "'", "")
		case name == "filename":
			isFile = text != "" && text != `""`
		case strings.IndexByte(name, '*') >= 0: // RFC 2231
			return false
		}
		if text != "" && text[0] == '"' {
			text = ""
		}
		if !isPlain(name) || !isPlain(text) {
			return false
		}
	}
	d.doubtful = extended && !isFile || strings.Contains(value, `\"`)
	return true
}

// splitParameters cuts a header's value at the semicolons that are not in quotes.
func splitParameters(s string) []string {
	var out []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// isPlain tells whether a word has neither blanks nor quotes, nor what is a blank to some.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '\'' || s[i] == '"' {
			return false
		}
	}
	return true
}
