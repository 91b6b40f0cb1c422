package pipeline

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// pairs fills a mapping. The later entry wins, also a merge key, as in GitLab. In YAML a
// mapping's own keys would win.
func (c *converter) pairs(n *node, from []*yaml.Node, depth int) error {
	n.kind = mapping
	if len(from)/2 > maxKeys {
		return n.faultf("GitLab does not take it either", "it has more than %d keys", maxKeys)
	}
	own := map[string]bool{}
	for i := 0; i+1 < len(from); i += 2 {
		v, err := c.convert(from[i+1], depth+1)
		if err != nil {
			return err
		}
		line := from[i].Line
		if merges(from[i]) {
			if err := c.merged(n, v, own, line); err != nil {
				return err
			}
			continue
		}
		k, err := c.convert(from[i], depth+1)
		if err != nil {
			return err
		}
		if k.kind != scalar {
			return faultAt(c.file, line, "put it in quotes if it is text", "a key is not a word")
		}
		if k.typed == isBoolean || k.typed == isFloat || depth == 0 && k.typed == isInteger {
			n.odd = fmt.Sprintf("the name %s is %s", from[i].Value, k.typed)
		}
		if n.odd != "" && depth == 0 {
			return faultAt(c.file, line, quoteIt, "%s", n.odd)
		}
		if own[k.text] {
			c.warnf("%s:%d: %s stands there twice, the last counts", c.file, line, k.text)
		}
		own[k.text] = true
		n.set(entry{k.text, line, v})
	}
	return nil
}

// quoteIt is the hint for a name that is no text.
const quoteIt = "GitLab does not take it either: put it in quotes"

// merges tells a merge key. Psych knows merge keys in quotes, too.
func merges(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && !(key.Tag == "!!str" && key.Style&yaml.TaggedStyle != 0)
}

// merged takes over the entries behind a merge key.
func (c *converter) merged(n, from *node, own map[string]bool, line int) error {
	sources := []*node{from}
	if from.kind == list {
		sources = from.items
	}
	taken := map[string]bool{} // of several sources the first wins
	for _, s := range sources {
		if s.kind != mapping {
			return faultAt(c.file, line, "<<: *anchor takes over a mapping's keys", "what is to be merged is no mapping")
		}
		for _, e := range s.entries {
			if err := c.count(s); err != nil {
				return err
			}
			if taken[e.key] {
				continue
			}
			taken[e.key] = true
			if own[e.key] {
				c.warnf("%s:%d: <<: replaces %s, which stands before it: put <<: first", c.file, line, e.key)
			}
			n.set(e)
			if len(n.entries) > maxKeys {
				return n.faultf("GitLab does not take it either", "it has more than %d keys", maxKeys)
			}
		}
	}
	return nil
}
