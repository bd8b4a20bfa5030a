/** A component that is drawn again only when what it is given changed. */
import { Component, h, type ComponentType, type VNode } from "preact";

export function memo<Props extends object>(Inner: (props: Props) => VNode): ComponentType<Props> {
  return class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      return (Object.keys(next) as (keyof Props)[]).some((key) => next[key] !== this.props[key]);
    }

    override render(): VNode {
      return h(Inner as ComponentType, this.props);
    }
  };
}
