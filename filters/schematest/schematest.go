// Package schematest keeps a filter's JSON Schema equal to what its decoder accepts.
package schematest

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/casetest"
)

// Check holds a schema against a decoder: on the schema's own example, which has every object that there is;
// on each of its objects with a member too many, where the decoder must know exactly the schema's members; on
// each of its values with one of another type in its place; and on the configuration of every case.
func Check(t *testing.T, file string, decode func([]byte) error, cases string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("schema.json", raw))
	schema, err := compiler.Compile("schema.json")
	require.NoError(t, err)

	root := raw.(object)
	c := &checker{t: t, root: root, example: root["examples"].([]any)[0], schema: schema, decode: decode}
	_ = c.agree("the example", true)
	c.walk(root, c.example, "$")
	for _, o := range collect(root) {
		assert.True(t, slices.ContainsFunc(c.seen, func(s object) bool { return maps.Equal(names(s), names(o)) }),
			"the example has no object with the members %v", slices.Sorted(maps.Keys(names(o))))
	}
	for _, f := range casetest.LoadAll(t, cases) {
		for _, k := range f.Cases {
			config := k.ConfigJSON(t)
			require.NoError(t, decode(config), k.Name)
			instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
			require.NoError(t, err)
			assert.NoError(t, schema.Validate(instance), "case %s", k.Name)
		}
	}
}

type object = map[string]any

type checker struct {
	t       *testing.T
	root    object
	example any
	schema  *jsonschema.Schema
	decode  func([]byte) error
	seen    []object
}

// agree asserts that schema and decoder say the same of the example as it is now, and gives the decoder's error.
func (c *checker) agree(what string, good bool) error {
	c.t.Helper()
	text, err := json.Marshal(c.example)
	require.NoError(c.t, err)
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(c.t, err)
	decoded, validated := c.decode(text), c.schema.Validate(instance)
	assert.Equal(c.t, good, decoded == nil, "decoder, %s: %v", what, decoded)
	assert.Equal(c.t, good, validated == nil, "schema, %s: %v", what, validated)
	return decoded
}

func (c *checker) walk(schema object, value any, path string) {
	schema = c.resolve(schema)
	switch value := value.(type) {
	case object:
		properties, closed := schema["properties"].(object)
		if closed {
			c.seen = append(c.seen, schema)
			c.extraMember(schema, value, path)
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			var member object
			if closed {
				member, _ = properties[name].(object)
				require.NotNil(c.t, member, "%s.%s is not in the schema", path, name)
			} else if member, _ = schema["additionalProperties"].(object); member == nil {
				continue // a JWK Set, which has a standard of its own
			}
			old := value[name]
			value[name] = otherType(c.resolve(member), old)
			_ = c.agree(path+"."+name+" of another type", false)
			value[name] = old
			c.walk(member, old, path+"."+name)
		}
	case []any:
		items, _ := schema["items"].(object)
		for i := range value {
			c.walk(items, value[i], path+"[]")
		}
	}
}

// extraMember gives an object a member that nobody knows: the decoder's message then lists those it does.
func (c *checker) extraMember(schema, value object, path string) {
	const unknown = "unknown-to-everybody"
	value[unknown] = true
	err := c.agree(path+" with a member too many", false)
	delete(value, unknown)
	require.Error(c.t, err)
	_, list, found := strings.Cut(err.Error(), "known here: ")
	require.True(c.t, found, err.Error())
	list, _, _ = strings.Cut(list, "\n")
	assert.ElementsMatch(c.t, slices.Collect(maps.Keys(names(schema))), strings.Split(list, ", "), "members of %s", path)
}

func (c *checker) resolve(schema object) object {
	if all, ok := schema["allOf"].([]any); ok {
		return c.resolve(all[0].(object))
	}
	if ref, ok := schema["$ref"].(string); ok {
		return c.resolve(c.root["$defs"].(object)[strings.TrimPrefix(ref, "#/$defs/")].(object))
	}
	return schema
}

// collect finds every object of a schema that has known members.
func collect(node any) []object {
	var found []object
	switch node := node.(type) {
	case object:
		if _, ok := node["properties"].(object); ok {
			found = append(found, node)
		}
		for name, child := range node {
			if name != "examples" && name != "if" { // a condition names members of the object that it stands in
				found = append(found, collect(child)...)
			}
		}
	case []any:
		for _, child := range node {
			found = append(found, collect(child)...)
		}
	}
	return found
}

func names(schema object) map[string]bool {
	set := map[string]bool{}
	for name := range schema["properties"].(object) {
		set[name] = true
	}
	return set
}

// otherType is a value of a type that a schema does not have.
func otherType(schema object, value any) any {
	if types, ok := schema["type"].([]any); ok && slices.Contains(types, any("array")) {
		return 1
	}
	if _, ok := value.([]any); ok {
		return "text"
	}
	return []any{}
}
