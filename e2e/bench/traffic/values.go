package traffic

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// values makes what requests consist of.
type values struct{ *rand.Rand }

func (v *values) of(list []string) string { return list[v.IntN(len(list))] }

// between has both ends.
func (v *values) between(least, most int) int { return least + v.IntN(most-least+1) }

func (v *values) number(least, most int) string { return fmt.Sprint(v.between(least, most)) }

func (v *values) price() string { return fmt.Sprintf("%d.%02d", v.between(1, 900), v.IntN(100)) }

func (v *values) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(v.Uint32())
	}
	return b
}

func (v *values) hex(n int) string { return fmt.Sprintf("%x", v.bytes((n+1)/2))[:n] }

// base64 has no two dashes in a row: behind a digit, they may look like a comment of SQL.
func (v *values) base64(n int) string {
	return strings.ReplaceAll(base64.RawURLEncoding.EncodeToString(v.bytes(n*3/4)), "--", "-_")
}

func (v *values) uuid() string {
	return fmt.Sprintf("%s-%s-4%s-a%s-%s", v.hex(8), v.hex(4), v.hex(3), v.hex(3), v.hex(12))
}

// time is within the year of the seed.
func (v *values) time() time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(v.IntN(365*86400)) * time.Second)
}

func (v *values) timestamp() string { return v.time().Format(time.RFC3339) }

func (v *values) date() string { return v.time().Format(time.DateOnly) }

func (v *values) name() string { return v.of(givenNames) + " " + v.of(familyNames) }

func (v *values) email() string {
	return strings.ToLower(v.of(givenNames)) + "." + v.number(1, 9999) + "@" + v.of(mailHosts)
}

func (v *values) phone() string {
	return fmt.Sprintf("+%d %d %03d %02d %02d", v.between(30, 99), v.between(20, 99), v.IntN(1000), v.IntN(100), v.IntN(100))
}

func (v *values) street() string { return v.of(streets) + " " + v.number(1, 240) }

func (v *values) url() string {
	return "https://" + v.of(webHosts) + "/" + v.slug() + "?ref=" + v.hex(8)
}

func (v *values) product() string {
	return v.of(qualities) + " " + v.of(materials) + " " + v.of(things)
}

func (v *values) slug() string {
	return strings.ToLower(v.of(qualities) + "-" + v.of(things) + "-" + v.number(100, 99999))
}

// sentence is what somebody has typed, with what is typed: apostrophes, quotes, dashes, numbers.
func (v *values) sentence() string {
	parts := strings.Split(v.of(sentences), "%")
	text := parts[0]
	for _, part := range parts[1:] {
		text += v.word(part[0]) + part[1:]
	}
	return text
}

// word is what stands for a letter in a sentence.
func (v *values) word(kind byte) string {
	switch kind {
	case 'p':
		return v.product()
	case 't':
		return strings.ToLower(v.of(things))
	case 'n':
		return v.name()
	case 'c':
		return v.of(cities)
	case 's':
		return v.street()
	case 'd':
		return v.number(2, 60)
	case 'e':
		return v.price()
	case 'D':
		return v.time().Format("2 January")
	case 'o':
		return "#" + v.number(100000, 999999)
	case '_':
		return "%"
	}
	panic("traffic: a sentence has %" + string(kind))
}

// remark is like no other.
func (v *values) remark() string { return v.sentence() + " " + v.sentence() + " Regards, " + v.name() }

// text is sentences of at least so many bytes.
func (v *values) text(size int) string {
	var b strings.Builder
	for b.Len() < size {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(v.sentence())
	}
	return b.String()
}
