package match

import (
	"bytes"
	"errors"
	"strings"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// Normalization is how far a path is brought to a normal form before it is matched. The levels are those
// of Istio's pathNormalization.
type Normalization uint8

// The levels, each doing what the one before does.
const (
	None                Normalization = iota
	Base                              // RFC 3986 sections 6.2.2.1 to 6.2.2.3
	MergeSlashes                      // and "//" is "/"
	DecodeAndMergeSlash               // and %2f, %5c and \ are "/"
)

// Normalizations are the levels' names in configurations, by level.
var Normalizations = [...]string{"none", "base", "merge-slashes", "decode-and-merge-slashes"}

// ParseNormalization finds a level by its name.
func ParseNormalization(name string) (Normalization, bool) {
	for i, n := range Normalizations {
		if n == name {
			return Normalization(i), true
		}
	}
	return None, false
}

// Errors of NormalPath: paths that have no normal form which everybody behind the proxy would agree on.
var (
	// ErrNUL is a path with a NUL, raw or encoded. C code behind the proxy would see it end there.
	ErrNUL = errors.New("the path has a NUL")
	// ErrAmbiguous is a path such as "/a//../b": "/a/b" to who removes dot segments first (Envoy), "/b" to who
	// merges slashes first (nginx, Apache, Go). Whichever were taken, a request could be made for the other.
	ErrAmbiguous = errors.New("the path has a .. that removes an empty segment, which not everybody reads alike")
)

// CutQuery leaves out query and fragment. A fragment never belongs on the wire (RFC 9112 section 3.2),
// but what is behind the proxy may cut there, so matching does too.
func CutQuery(target string) string {
	for i := 0; i < len(target); i++ {
		if c := target[i]; c == '?' || c == '#' {
			return target[:i]
		}
	}
	return target
}

// WithoutParameters leaves out the parameters of a path's segments, "/a;v=1/b" is "/a/b" (RFC 3986 section 3.3 leaves
// them to the application). A servlet container does so before it looks at dot segments, which makes a way up of
// "/public/..;/admin"; other readers take the semicolon for a part of the name. It allocates only when there is one.
func WithoutParameters(path string) string {
	at := strings.IndexByte(path, ';')
	if at < 0 {
		return path
	}
	buf := append(make([]byte, 0, len(path)), path[:at]...)
	for rest := path[at:]; rest != ""; {
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			break
		}
		rest = rest[end:]
		next := strings.IndexByte(rest, ';')
		if next < 0 {
			next = len(rest)
		}
		buf = append(buf, rest[:next]...)
		rest = rest[next:]
	}
	return string(buf)
}

// OtherPath is the normal form of a path as those see it who leave out its segments' parameters, "" if it has none. Where
// it differs from NormalPath there are two readings, and a decision has to hold for both.
func OtherPath(path string, level Normalization) (string, error) {
	if level == None || strings.IndexByte(path, ';') < 0 {
		return "", nil
	}
	return NormalPath(WithoutParameters(path), level)
}

// NormalPath brings a path without query to the level's normal form: escapes are decoded in one pass, dot
// segments removed and slashes merged. Decoding once is enough for whoever decodes once; "%252e" stays what
// it is. A path that does not start with a slash ("*") is returned as it is. It allocates only when there is
// something to change.
func NormalPath(path string, level Normalization) (string, error) {
	if strings.IndexByte(path, 0) >= 0 || strings.Contains(path, "%00") {
		return "", ErrNUL
	}
	if level == None || path == "" || isNormal(path, level) {
		return path, nil
	}
	decodeSlash := level == DecodeAndMergeSlash
	buf := unescape(make([]byte, 0, len(path)), path, decodeSlash)
	if len(buf) == 0 || buf[0] != '/' {
		return path, nil
	}
	if level < MergeSlashes {
		return string(removeDotSegments(buf)), nil
	}
	slashesFirst := removeDotSegments(mergeSlashes(append([]byte(nil), buf...)))
	if dotsFirst := mergeSlashes(removeDotSegments(buf)); !bytes.Equal(dotsFirst, slashesFirst) {
		return "", ErrAmbiguous
	}
	return string(slashesFirst), nil
}

// isNormal is a quick test that never says yes wrongly.
func isNormal(path string, level Normalization) bool {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '%':
			return false
		case '\\':
			if level == DecodeAndMergeSlash {
				return false
			}
		case '/':
			if i+1 < len(path) && (path[i+1] == '.' || path[i+1] == '/' && level >= MergeSlashes) {
				return false
			}
		}
	}
	return true
}

func unescape(buf []byte, path string, decodeSlash bool) []byte {
	const upper = "0123456789ABCDEF"
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '\\' && decodeSlash {
			c = '/'
		}
		if c != '%' || i+2 >= len(path) {
			buf = append(buf, c)
			continue
		}
		hi, ok1 := ascii.Hex(path[i+1])
		lo, ok2 := ascii.Hex(path[i+2])
		if !ok1 || !ok2 {
			buf = append(buf, c)
			continue
		}
		i += 2
		switch v := hi<<4 | lo; {
		case isUnreserved(v) && !completesEscape(buf, v):
			buf = append(buf, v)
		case decodeSlash && (v == '/' || v == '\\'):
			buf = append(buf, '/')
		default:
			buf = append(buf, '%', upper[hi], upper[lo])
		}
	}
	return buf
}

// completesEscape tells whether c, decoded, would make an escape of a '%' that is none: "%2%65" decoded once
// is not the "%2e" that the next reader would decode.
func completesEscape(buf []byte, c byte) bool {
	if _, hex := ascii.Hex(c); !hex {
		return false
	}
	n := len(buf)
	if n >= 1 && buf[n-1] == '%' {
		return true
	}
	if n < 2 || buf[n-2] != '%' {
		return false
	}
	_, hex := ascii.Hex(buf[n-1])
	return hex
}

// removeDotSegments is RFC 3986 section 5.2.4 in place, on an absolute path.
func removeDotSegments(path []byte) []byte {
	out := path[:0]
	for i := 0; i < len(path); { // path[i] is a slash
		end := i + 1
		for end < len(path) && path[end] != '/' {
			end++
		}
		last := end == len(path)
		switch segment := path[i+1 : end]; {
		case len(segment) == 1 && segment[0] == '.':
			if last {
				out = append(out, '/')
			}
		case len(segment) == 2 && segment[0] == '.' && segment[1] == '.':
			n := len(out)
			for n > 0 && out[n-1] != '/' {
				n--
			}
			out = out[:max(n-1, 0)]
			if last {
				out = append(out, '/')
			}
		default:
			out = append(out, path[i:end]...)
		}
		i = end
	}
	if len(out) == 0 {
		out = append(out, '/')
	}
	return out
}

func mergeSlashes(path []byte) []byte {
	out := path[:0]
	for i, c := range path {
		if c == '/' && i > 0 && path[i-1] == '/' {
			continue
		}
		out = append(out, c)
	}
	return out
}

func isUnreserved(c byte) bool { // RFC 3986 section 2.3
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
